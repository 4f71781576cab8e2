"""A blocking library's generator, run in one thread of its own and read from the event loop.

Handles of C libraries (python-ldap, sqlite3) belong to the thread that made them: so one thread creates, steps and
closes the generator. The thread produces only a few items ahead of the reader, so memory stays flat even for a slow
reader.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

AHEAD = 4
"""How many items the thread works ahead."""
PATIENCE = 5.0
"""Seconds that a reader who stops waits for a step that is under way. The thread is a daemon thread: it never outlives
the process, but it cannot be interrupted within a call of the library."""


async def in_own_thread(work: Callable[[], Iterable[T]], *, name: str, log: Any) -> AsyncIterator[T]:
    """Yield the items of ``work()``. ``work`` is called, stepped and closed in one thread, which has ended when this
    ends.

    What ``work`` raises is raised here, with its traceback. When the reader stops (cancelled, or the iterator is
    closed), the thread stops after the step that is under way.
    """
    producer = _Producer(work, asyncio.get_running_loop())
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(producer.run,), name=f"blocking {name}", daemon=True)
    thread.start()
    try:
        while True:
            while producer.items:
                yield producer.take()
            if producer.ended and not producer.items:
                break
            await producer.wait()
    except BaseException:
        producer.stop()
        await _join(producer, thread, log)
        if producer.error is not None:
            log.warning(
                "a blocking call failed while it was being stopped",
                event_name="thread.failed",
                error=f"{type(producer.error).__name__}: {producer.error}",
            )
        raise
    await _join(producer, thread, log)
    error, producer.error = producer.error, None
    if error is not None:
        try:
            raise error
        finally:
            del error  # Its traceback holds this frame: without this, a cycle that only the garbage collector ends.


async def result_of(work: Callable[[], Generator[Any, None, T]], *, name: str, log: Any, tick: Callable[[], None]) -> T:
    """What the generator ``work()`` returns. It runs in a thread of its own; ``tick`` is called whenever it yields."""
    results: list[T] = []

    def steps() -> Generator[Any, None, None]:
        results.append((yield from work()))

    async for _ in in_own_thread(steps, name=name, log=log):
        tick()
    return results[0]


async def to_its_end(work: Callable[[], T]) -> T:
    """What ``work()`` returns; it runs in a thread. Cancelled, this still waits for its end, so that whatever follows
    finds it done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _join(producer: _Producer[Any], thread: threading.Thread, log: Any) -> None:
    """Wait for the thread's end, also when this waiting is cancelled once more."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    cancelled = False
    while not producer.gone.is_set():
        try:
            await asyncio.wait_for(producer.gone.wait(), max(deadline - loop.time(), 0))
        except TimeoutError:
            log.warning(
                "a blocking call does not end; it is left to itself", event_name="thread.left", thread=thread.name
            )
            break
        except asyncio.CancelledError:
            cancelled = True
    else:
        thread.join()
    if cancelled:
        raise asyncio.CancelledError


class _Producer(Generic[T]):
    """Both ends of the queue. Appending and popping a deque is atomic, and each end is touched by one thread only.

    Each side wakes the other only when it sleeps: it first says that it will sleep, then looks once more. The thread
    sleeps when the queue is full and is woken when it is empty: switching threads costs far more than an item.
    """

    def __init__(self, work: Callable[[], Iterable[T]], loop: asyncio.AbstractEventLoop) -> None:
        self.items: deque[T] = deque()
        self.ended = False
        self.error: BaseException | None = None
        self.gone = asyncio.Event()
        self._work = work
        self._loop = loop
        self._ready = asyncio.Event()
        self._reader_sleeps = False
        self._room = threading.Event()
        self._stopping = False

    # ---- in the event loop

    def take(self) -> T:
        item = self.items.popleft()
        if not self.items:
            self._room.set()
        return item

    async def wait(self) -> None:
        """Until there are items, or no more will come."""
        self._ready.clear()
        self._reader_sleeps = True
        if not self.items and not self.ended:
            await self._ready.wait()
        self._reader_sleeps = False

    def stop(self) -> None:
        self._stopping = True
        self._room.set()

    # ---- in the thread

    def run(self) -> None:
        try:
            if not self._stopping:
                self._produce()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._tell(self._end)

    def _produce(self) -> None:
        iterator = iter(self._work())
        try:
            for item in iterator:
                self.items.append(item)
                if self._reader_sleeps:
                    self._reader_sleeps = False
                    self._tell(self._ready.set)
                if len(self.items) >= AHEAD:
                    self._wait_for_room()
                del item  # Or it would be kept until the next one is there.
                if self._stopping:
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _wait_for_room(self) -> None:
        self._room.clear()
        if len(self.items) >= AHEAD and not self._stopping:
            self._room.wait()

    def _end(self) -> None:
        self._ready.set()
        self.gone.set()

    def _tell(self, what: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            # The event loop is closed: nobody reads any more.
            self._stopping = True
