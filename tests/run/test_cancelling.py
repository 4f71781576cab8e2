"""A run is stopped in the middle of any step: what was saved stays, and the next run continues from there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import pytest
from msgspec import structs

from tests.run.world import World
from usersyncd.core.report import DeliveryRun, RunReport
from usersyncd.plugin import Change, Outcome
from usersyncd.progress import Progress
from usersyncd.recording import DEADLINE, STOPPED, TOO_LONG
from usersyncd.state.journal import RunKind, history
from usersyncd.state.lock import DIRECTORY, is_locked
from usersyncd.testing import MemoryTarget


def company(world: World) -> None:
    """A synced company, then changed: a new user, a leaver, a changed user, and other members in a group."""
    world.people("u1", "u2", "u3", title="Cook")
    world.group("g1", "u1", "u2")
    world.synced()
    world.people("u4", title="Cook")
    world.people("u1", title="Boss")
    world.leave("u3")
    world.group("g1", "u2", "u4")
    world.directory.page_size = 1


def stop(world: World, moment: str, ticks: int) -> bool:
    """Cancel a run at a step, after a number of progress reports. Return whether it was cancelled."""
    seen = 0

    async def stopped() -> bool:
        task: asyncio.Task[object]

        def watch(progress: Progress) -> None:
            nonlocal seen
            if progress.step == moment:
                seen += 1
                if seen == ticks:
                    task.cancel()

        task = asyncio.create_task(world.sync(Progress(watch)))
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return task.cancelled()

    return asyncio.run(stopped())


def is_exact(world: World) -> None:
    world.synced()
    shapes = world.held()
    assert {key: (shape["title"], shape["active"]) for key, shape in shapes.items()} == {
        "u1": ("Boss", True), "u2": ("Cook", True), "u3": ("Cook", False), "u4": ("Cook", True),
    }  # fmt: skip
    assert world.members() == {"g1": {"u2", "u4"}}
    assert world.plan().targets[0].planned.total == 0


@pytest.mark.parametrize(
    ("moment", "ticks"),
    [("reading", 1), ("reading", 2), ("saving", 1), ("saving", 2), ("planning", 1), ("planning", 2), ("preparing", 1),
     ("delivering", 1)],
)  # fmt: skip
def test_a_stopped_run_says_so_and_the_next_one_continues(world: World, moment: str, ticks: int) -> None:
    company(world)
    assert stop(world, moment, ticks)
    assert not is_locked(world.database, DIRECTORY, world.name)
    with world.database.read() as connection:
        [last, *_] = history(connection, 9)
    assert (last.status, last.error) == ("failed", STOPPED)
    assert last.finished
    is_exact(world)


class Slow(MemoryTarget):
    """A target that waits after it wrote and acknowledged the first change."""

    waits: ClassVar[asyncio.Event]

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        async for outcome in super().deliver(changes):
            yield outcome
            self.waits.set()
            await asyncio.sleep(60)


def test_a_run_that_exceeds_its_deadline_says_so_and_the_next_one_continues(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    company(world)
    [rules] = world.job.targets
    job = structs.replace(world.job, targets=(structs.replace(rules, connector=Slow),))
    timeout, made = asyncio.timeout, dict[float | None, asyncio.Timeout]()

    def noted(delay: float | None) -> asyncio.Timeout:
        made[delay] = timeout(delay)
        return made[delay]

    monkeypatch.setattr(asyncio, "timeout", noted)

    async def endless() -> RunReport:
        Slow.waits = asyncio.Event()
        task = asyncio.create_task(world.sync(pull=job))
        await asyncio.wait_for(Slow.waits.wait(), 60)
        made[DEADLINE.total_seconds()].reschedule(asyncio.get_running_loop().time())  # the hours have gone by
        return await task

    report = asyncio.run(endless())
    [target] = report.targets
    assert (report.status, report.error, target.error) == ("failed", None, TOO_LONG)
    assert target.counts.total == 1
    assert not is_locked(world.database, DIRECTORY, world.name)
    is_exact(world)


def test_changes_acknowledged_before_a_stop_are_stored(world: World) -> None:
    company(world)
    [rules] = world.job.targets
    job = structs.replace(world.job, targets=(structs.replace(rules, connector=Slow),))

    async def stopped() -> None:
        Slow.waits = asyncio.Event()
        task = asyncio.create_task(world.sync(pull=job))
        await asyncio.wait_for(Slow.waits.wait(), 60)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()

    asyncio.run(stopped())
    with world.database.read() as connection:
        [last] = history(connection, 1, kinds=[RunKind.DELIVERY])
    assert isinstance(last, DeliveryRun)
    assert last.targets[0].entries == 1
    assert last.targets[0].counts.total == 1
    is_exact(world)
