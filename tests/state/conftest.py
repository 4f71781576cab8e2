"""Every test of a ``state`` or a ``world`` runs with it on SQLite and on PostgreSQL."""

from tests.run.conftest import state, world

__all__ = ["state", "world"]
