"""The engine: requested work runs once, and never twice at the same moment. No I/O, no real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from usersyncd.core.report import Cause
from usersyncd.daemon.engine import LocalEngine, WorkItem
from usersyncd.errors import LockedError

ACME, APP, CRM = WorkItem("pull", "acme"), WorkItem("deliver", "app"), WorkItem("deliver", "crm")
LONGEST = 5.0


class Work:
    """Runs and pauses that end when the test says so, and an engine with them."""

    def __init__(self) -> None:
        self.began: list[tuple[WorkItem, Cause]] = []
        self.running: list[WorkItem] = []
        self.pauses: list[float] = []
        self.locked = False
        self._end: dict[WorkItem, asyncio.Event] = {}
        self._continue = asyncio.Event()
        self.engine = LocalEngine(self._perform, lambda _: LONGEST, self._sleep)

    async def _perform(self, item: WorkItem, cause: Cause) -> None:
        if self.locked:
            raise LockedError(f"{item} is locked")
        assert item not in self.running, "it runs twice at once"
        self.began.append((item, cause))
        self.running.append(item)
        event = self._end[item] = asyncio.Event()
        try:
            await event.wait()
        finally:
            self.running.remove(item)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self._continue.wait()
        self._continue.clear()

    async def end(self, item: WorkItem) -> None:
        self._end[item].set()
        await settle()

    async def end_pause(self) -> None:
        self._continue.set()
        await settle()


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def work() -> AsyncIterator[Work]:
    work = Work()
    yield work
    await work.engine.stop()
    assert not work.running


async def test_requests_before_the_run_begins_become_one(work: Work) -> None:
    for cause in ("pull", "date", "pull"):
        work.engine.request(APP, cause)
    await settle()
    assert work.began == [(APP, "pull")]
    await work.end(APP)
    assert len(work.began) == 1
    assert not work.engine.is_busy(APP)


async def test_requests_during_a_run_become_one_more_run(work: Work) -> None:
    work.engine.request(APP, "pull")
    await settle()
    work.engine.request(APP, "approval")
    work.engine.request(APP, "pull")
    await settle()
    assert work.began == [(APP, "pull")]
    await work.end(APP)
    assert work.began == [(APP, "pull"), (APP, "approval")]
    await work.end(APP)
    assert len(work.began) == 2


async def test_other_work_does_not_wait(work: Work) -> None:
    for item in (ACME, APP, CRM):
        work.engine.request(item, "manual")
    await settle()
    assert work.running == [ACME, APP, CRM]
    await work.end(APP)
    assert work.running == [ACME, CRM]


async def test_work_is_tried_again_with_growing_pauses_while_another_process_has_the_lock(work: Work) -> None:
    work.locked = True
    work.engine.request(ACME, "interval")
    await settle()
    for _ in range(7):
        work.engine.request(ACME, "reload")
        await work.end_pause()
    assert work.pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST])
    assert work.engine.is_busy(ACME)
    work.locked = False
    await work.end_pause()
    assert work.began == [(ACME, "interval")], "requests that came meanwhile are this one"
    await work.end(ACME)
    assert len(work.began) == 1


async def test_the_next_wait_for_a_lock_begins_with_a_short_pause(work: Work) -> None:
    work.locked = True
    work.engine.request(ACME, "interval")
    await settle()
    await work.end_pause()
    work.locked = False
    await work.end_pause()
    work.engine.request(ACME, "reload")
    work.locked = True
    await work.end(ACME)
    assert work.pauses == pytest.approx([0.1, 0.2, 0.1])


async def test_a_lock_of_one_delays_no_other(work: Work) -> None:
    work.locked = True
    work.engine.request(ACME, "interval")
    await settle()
    work.locked = False
    work.engine.request(APP, "date")
    await settle()
    assert work.running == [APP]


async def test_a_stop_cancels_what_runs_and_forgets_what_waits(work: Work) -> None:
    work.engine.request(ACME, "interval")
    await settle()
    work.engine.request(ACME, "reload")
    await work.engine.stop()
    work.engine.request(APP, "pull")
    await settle()
    assert work.began == [(ACME, "interval")]
    assert not work.running
    assert not work.engine.is_busy(ACME)


async def test_a_stop_ends_a_wait_for_a_lock(work: Work) -> None:
    work.locked = True
    work.engine.request(ACME, "interval")
    await settle()
    await work.engine.stop()
    assert not work.engine.is_busy(ACME)
