"""Times and places as the commands show them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from usersyncd.cli import text


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("tokyo")
@pytest.mark.parametrize(
    ("stored", "shown"),
    [("2026-11-28T15:00:00+00:00", "2026-11-29 00:00:00"), ("9999-12-31T23:59:59+00:00", "9999-12-31 23:59:59")],
)
def test_a_time_is_shown_in_local_time_as_far_as_there_is_one(stored: str, shown: str) -> None:
    assert text.local(stored) == shown
