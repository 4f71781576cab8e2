"""A blocking generator lives in one thread of its own, works ahead by a few items, and never outlives its reader."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sqlite3
import threading
import time
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest
import structlog
from structlog.testing import capture_logs

from usersyncd import blocking
from usersyncd.blocking import AHEAD, in_own_thread


def read(work: Callable[[], Iterable[Any]]) -> Any:
    return cast("Any", in_own_thread(work, name="desk", log=structlog.get_logger()))


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("blocking")]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    assert threads() == []


async def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


class Endless:
    """An endless generator that notes the threads in which it ran."""

    def __init__(self) -> None:
        self.made = 0
        self.steps: set[int] = set()
        self.closed_in: int | None = None

    def __call__(self) -> Iterator[int]:
        try:
            while True:
                self.steps.add(threading.get_ident())
                self.made += 1
                yield self.made
        finally:
            self.closed_in = threading.get_ident()


async def test_all_items_come_in_their_order() -> None:
    assert [item async for item in read(lambda: range(1000))] == list(range(1000))
    assert [item async for item in read(list)] == []


async def test_the_generator_runs_and_is_closed_in_one_thread_of_its_own() -> None:
    def work() -> Iterator[int]:
        connection = sqlite3.connect(":memory:")  # It refuses any other thread than the one that made it.
        try:
            yield from (row[0] for row in connection.execute("SELECT 1 UNION SELECT 2"))
        finally:
            connection.close()

    assert [item async for item in read(work)] == [1, 2]
    assert [item async for item in read(lambda: [threading.get_ident()])] != [threading.get_ident()]


async def test_the_generator_works_ahead_by_a_few_items_only() -> None:
    endless = Endless()
    async with aclosing(read(endless)) as items:
        await anext(items)
        await asyncio.sleep(0.1)
        assert endless.made <= AHEAD + 2


async def test_the_event_loop_goes_on_while_a_step_takes_long() -> None:
    def work() -> Iterator[int]:
        time.sleep(0.3)
        yield 1

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert [item async for item in read(work)] == [1]
    ticking.cancel()
    assert ticks > 10


async def test_what_the_generator_raises_is_raised_with_its_traceback() -> None:
    def deep_inside() -> None:
        raise ValueError("torn page")

    def work() -> Iterator[int]:
        yield 1
        deep_inside()

    items = read(work)
    assert await anext(items) == 1
    with pytest.raises(ValueError, match="torn page") as caught:
        await anext(items)
    assert "deep_inside" in "".join(traceback.format_tb(caught.value.__traceback__))


async def test_what_raises_before_the_first_item_is_raised_too() -> None:
    def work() -> Iterable[int]:
        raise OSError("no paper")

    with pytest.raises(OSError, match="no paper"):
        [item async for item in read(work)]


async def test_an_error_leaves_no_cycle_behind() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise error_class("x")

    class error_class(Exception):
        pass

    gc.collect()
    gc.disable()
    try:
        try:
            [item async for item in read(work)]
        except error_class as error:
            left = weakref.ref(error)
        await asyncio.sleep(0)
        assert left() is None
    finally:
        gc.enable()


async def test_a_reader_that_stops_early_stops_the_generator_in_its_thread() -> None:
    endless = Endless()
    async with aclosing(read(endless)) as items:
        async for item in items:
            if item == 3:
                break
    assert {endless.closed_in} == endless.steps


async def test_a_reader_that_breaks_off_leaves_no_thread_behind() -> None:
    endless = Endless()
    async for item in read(endless):
        if item == 3:
            break
    await until(lambda: endless.closed_in is not None and not threads())


@pytest.mark.parametrize("pause", [0, 0.05])
async def test_a_cancelled_reader_stops_the_generator_even_when_the_queue_is_full(pause: float) -> None:
    endless = Endless()

    async def reader() -> None:
        async for _ in read(endless):
            await asyncio.sleep(60)

    task = asyncio.create_task(reader())
    await until(lambda: endless.made > 0)
    await asyncio.sleep(pause)
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not threads())
    assert time.monotonic() - started < 20, "the reader would have slept for a minute"
    assert {endless.closed_in} == endless.steps


async def test_a_reader_cancelled_while_it_waits_stops_the_generator_after_its_step() -> None:
    gone_on, closed = [], []

    def work() -> Iterator[int]:
        try:
            time.sleep(0.2)
            yield 1
            gone_on.append(1)
            yield 2
        finally:
            closed.append(1)

    async def reader() -> None:
        async with aclosing(read(work)) as items:
            await anext(items)

    task = asyncio.create_task(reader())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()  # Once more, while it waits for the thread.
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads() == []
    assert (gone_on, closed) == ([], [1])


async def test_a_step_that_does_not_end_is_abandoned_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "PATIENCE", 0.1)
    free = threading.Event()

    def work() -> Iterator[int]:
        free.wait(10)
        yield 1

    async def reader() -> None:
        async with aclosing(read(work)) as items:
            await anext(items)

    task = asyncio.create_task(reader())
    await asyncio.sleep(0.05)
    task.cancel()
    with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
        await task
    assert [line["event"] for line in logs] == ["a blocking call does not end; it is left to itself"]
    free.set()
    await until(lambda: not threads())


async def test_an_error_while_closing_does_not_hide_the_cancellation() -> None:
    def work() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            raise ValueError("stuck")

    with capture_logs() as logs:
        items = read(work)
        await anext(items)
        await items.aclose()
    assert [line["error"] for line in logs] == ["ValueError: stuck"]


async def test_several_generators_run_at_the_same_time() -> None:
    async def total(count: int) -> int:
        return sum([item async for item in read(lambda: range(count))])

    assert await asyncio.gather(*(total(count) for count in range(0, 2000, 100))) == [
        sum(range(n)) for n in range(0, 2000, 100)
    ]


async def test_the_thread_logs_with_the_fields_of_the_run() -> None:
    variable = contextvars.ContextVar[str]("run")
    variable.set("01J")
    assert [item async for item in read(lambda: [variable.get()])] == ["01J"]


def test_an_event_loop_that_ends_takes_the_thread_with_it() -> None:
    endless = Endless()
    kept: list[AsyncIterator[int]] = []

    async def reader() -> None:
        kept.append(read(endless))
        await anext(kept[0])

    asyncio.run(reader())
    assert endless.closed_in is not None


async def test_a_hundred_thousand_small_items_take_seconds_at_most() -> None:
    started = time.monotonic()
    assert sum([1 async for _ in read(lambda: range(100_000))]) == 100_000
    assert time.monotonic() - started < 60
