"""The schedule, on a clock that the test sets. No test waits: a moment in the past is due at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from usersyncd.core.report import Cause
from usersyncd.daemon.engine import WorkItem
from usersyncd.daemon.schedule import Schedule

ACME, LAB, APP = WorkItem("pull", "acme"), WorkItem("pull", "lab"), WorkItem("deliver", "app")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Clock:
    """A clock that is ahead of the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Fired:
    """A schedule, and the items that were due. ``paused``: nothing becomes due."""

    def __init__(self) -> None:
        self.items: list[tuple[WorkItem, Cause]] = []
        self.clock = Clock()
        self.schedule = Schedule(lambda item, cause: self.items.append((item, cause)), self.clock)

    def next(self, item: WorkItem) -> timedelta:
        """Return how long an item still waits."""
        return {item: when for when, item in self.schedule.upcoming()}[item] - self.clock()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.items) < count:  # noqa: ASYNC110 - APScheduler calls it
                await asyncio.sleep(0)


@pytest.fixture
async def fired() -> AsyncIterator[Fired]:
    fired = Fired()
    fired.schedule.start()
    yield fired
    fired.schedule.stop()


async def test_the_first_runs_have_the_cause_that_was_given_and_the_next_their_interval(fired: Fired) -> None:
    fired.schedule.every({ACME: HOUR}, "reload")
    await fired.until(1)
    assert fired.items == [(ACME, "reload")]
    assert timedelta(minutes=55) < fired.next(ACME) <= HOUR
    fired.schedule.scheduler.modify_job(str(ACME), next_run_time=fired.clock())
    await fired.until(2)
    assert fired.items[1] == (ACME, "interval")


async def test_first_runs_are_spread(fired: Fired) -> None:
    fired.schedule.scheduler.pause()
    fired.schedule.every({ACME: HOUR, LAB: DAY}, "interval")
    assert [item for _, item in fired.schedule.upcoming()] == [ACME, LAB]
    assert timedelta(seconds=29) < fired.next(LAB) <= timedelta(seconds=30)


async def test_a_moment_is_due_once_and_the_last_one_set_counts(fired: Fired) -> None:
    fired.schedule.at(APP, fired.clock() + DAY, "date")
    fired.schedule.at(APP, fired.clock(), "retry")
    await fired.until(1)
    assert fired.items == [(APP, "retry")]
    assert fired.schedule.upcoming() == []


async def test_a_dropped_moment_is_not_due(fired: Fired) -> None:
    fired.schedule.at(APP, fired.clock() + HOUR, "date")
    fired.schedule.every({ACME: HOUR}, "interval")
    await fired.until(1)
    for item in (APP, ACME, ACME):
        fired.schedule.drop(item)
    assert fired.schedule.upcoming() == []


async def test_a_clock_that_is_set_back_delays_intervals_and_retries_no_longer_but_dates_stay(fired: Fired) -> None:
    fired.schedule.scheduler.pause()
    fired.schedule.every({ACME: HOUR}, "interval")
    fired.schedule.at(LAB, fired.clock() + HOUR, "retry")
    fired.schedule.at(APP, fired.clock() + HOUR, "date")
    fired.clock.ahead = -DAY
    fired.schedule.follow_clock()
    assert fired.next(ACME) < timedelta(seconds=1)
    assert fired.next(LAB) < timedelta(seconds=1)
    assert fired.next(APP) > DAY, "a person's end date is what the wall clock says"


async def test_a_clock_that_does_not_jump_changes_nothing(fired: Fired) -> None:
    fired.schedule.scheduler.pause()
    fired.schedule.at(LAB, fired.clock() + HOUR, "retry")
    before = fired.schedule.upcoming()
    fired.schedule.follow_clock()
    assert fired.schedule.upcoming() == before
