"""Step five, guard: decides whether a plan is delivered, or held until a person has looked at it."""

from __future__ import annotations

from usersyncd.core.guard import passed
from usersyncd.core.report import Passed
from usersyncd.state import links
from usersyncd.state.database import Database
from usersyncd.state.planned import Plan
from usersyncd.steps.plan import Planning


def guard(database: Database, planning: Planning, plan: Plan) -> list[Passed]:
    """The limits that a plan exceeds; one holds the plan. Raises StateError."""
    limits, counts = planning.delivery.target.guard, plan.counts
    harm = (
        counts.users.delete, counts.groups.delete, counts.users.deactivate, counts.memberships.remove, plan.adoptions,
    )  # fmt: skip
    if max(harm) < max(limits.at_least, 1):
        return []  # No count of the target's objects is needed.
    holdings = links.holdings(database, planning.reading.id, planning.target)
    return passed(limits, counts, holdings, plan.adoptions)
