"""Every test of a ``state`` or a ``pushing`` directory runs with it on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.push.pushing import PushingWorld
from tests.run.conftest import state

__all__ = ["state"]


@pytest.fixture
def acme(state: str, tmp_path: Path) -> Iterator[PushingWorld]:
    made = PushingWorld(tmp_path, state=state)
    yield made
    made.database.close()
