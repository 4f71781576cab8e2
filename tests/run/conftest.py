"""Every test that takes a ``world`` runs twice: with the state on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.migrated import migrated_sqlite
from tests.run.world import World
from tests.servers.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty state database at the newest version."""
    if request.param == "sqlite":
        return migrated_sqlite(tmp_path / "state.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.database(request.getfixturevalue("migrated"))


@pytest.fixture
def world(state: str, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, state=state)
    yield made
    made.database.close()
