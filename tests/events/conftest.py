"""Every test that takes a ``stream`` runs twice: with the state on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events.world import StreamWorld
from tests.run.conftest import state

__all__ = ["state"]


@pytest.fixture
def stream(state: str, tmp_path: Path) -> Iterator[StreamWorld]:
    made = StreamWorld(tmp_path, state=state)
    yield made
    made.database.close()
