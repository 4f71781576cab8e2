"""The next time at which a directory is pulled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from usersyncd.interval import Interval

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_the_next_run_comes_within_the_interval() -> None:
    for _ in range(100):
        following = Interval(MINUTE).get_next_fire_time(NOON, NOON)
        assert following is not None
        assert NOON + 0.9 * MINUTE <= following <= NOON + MINUTE


@pytest.mark.parametrize("years", [1, 54])
def test_after_a_clock_jump_the_next_time_is_computed_in_one_step(years: int) -> None:
    long_ago = NOON - timedelta(days=365 * years)
    following = Interval(MINUTE).get_next_fire_time(long_ago, NOON)
    assert following is not None
    assert NOON < following <= NOON + MINUTE
