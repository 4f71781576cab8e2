"""A stateful fake of Microsoft Graph: users, groups and their delta queries, the sign-in, and what can go wrong.

Follows the vendor's documentation and the reports of users (issues of microsoft-graph-docs); where the two differ, it
does the worse of the two.
"""

from __future__ import annotations

from tests.fakes.graph.faults import PASSING, ROUND, Faults
from tests.fakes.graph.server import Graph
from tests.fakes.graph.signin import ALL_ROLES, CLIENT, SECRET, TENANT
from tests.fakes.graph.tenant import Tenant, company

__all__ = ["ALL_ROLES", "CLIENT", "PASSING", "ROUND", "SECRET", "TENANT", "Faults", "Graph", "Tenant", "company"]
