"""Every test of a ``state`` or a ``world`` runs with it on SQLite and on PostgreSQL."""

from tests.run.conftest import state, world
from tests.servers.postgres import postgres

__all__ = ["postgres", "state", "world"]
