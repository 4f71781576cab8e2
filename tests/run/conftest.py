"""Every test that takes a ``world`` runs twice: with the state on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.run.migrated import migrated_sqlite
from tests.run.world import World
from tests.servers.postgres import Postgres
from usersyncd.testing import MemoryTarget


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


@pytest.fixture
def reused_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The target may give the id of a deleted object to a new one."""
    monkeypatch.setattr(MemoryTarget, "capabilities", structs.replace(MemoryTarget.capabilities, reuses_ids=True))
