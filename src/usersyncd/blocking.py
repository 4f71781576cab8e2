"""Runs the generator of a blocking library in its own thread, and reads its items in the event loop.

Handles of C libraries (python-ldap, sqlite3) belong to the thread that created them, so one thread creates, steps and
closes the generator. It produces only a few items before the reader takes them, so memory stays flat.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

AHEAD = 4
"""How many items the thread produces at most before the reader takes them."""
END = object()
"""The last item of the queue."""
PATIENCE = 5.0
"""Seconds that a stopping reader waits for the thread to finish its current step. A call of the library cannot be
interrupted; but the thread is a daemon thread, which ends with the process."""


async def in_own_thread(work: Callable[[], Iterable[T]], *, name: str, log: Any) -> AsyncIterator[T]:
    """Yield the items of ``work()``, which is called, stepped and closed in one thread. The thread ends before this
    generator does.

    Errors of ``work`` are raised here, with their traceback. When the reader stops (cancelled, or the iterator is
    closed), the thread stops after the current step.
    """
    producer = _Producer(work, asyncio.get_running_loop())
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(producer.run,), name=f"blocking {name}", daemon=True)
    thread.start()
    try:
        while (item := await producer.next()) is not END:
            yield cast("T", item)
            del item  # Otherwise it would be kept until the next item arrives.
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
            del error  # Its traceback refers to this frame: otherwise a cycle remains for the garbage collector.


async def result_of(work: Callable[[], Generator[Any, None, T]], *, name: str, log: Any, tick: Callable[[], None]) -> T:
    """The return value of the generator ``work()``, which runs in its own thread; ``tick`` is called at each yield."""
    results: list[T] = []

    def steps() -> Generator[Any, None, None]:
        results.append((yield from work()))

    async for _ in in_own_thread(steps, name=name, log=log):
        tick()
    return results[0]


async def to_its_end(work: Callable[[], T]) -> T:
    """The result of ``work()``, which runs in a thread. Cancelling this still waits until ``work`` has ended, so that
    the code that follows finds its effects complete."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


async def _join(producer: _Producer[Any], thread: threading.Thread, log: Any) -> None:
    """Wait until the thread ends, even if this wait is cancelled too."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    cancelled = False
    while not producer.ended.is_set():
        try:
            await asyncio.wait_for(producer.ended.wait(), max(deadline - loop.time(), 0))
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
    """The queue between the thread and its reader.

    The thread puts each item into the queue in the event loop, and waits while :data:`AHEAD` items are in it.
    """

    def __init__(self, work: Callable[[], Iterable[T]], loop: asyncio.AbstractEventLoop) -> None:
        self.error: BaseException | None = None
        self.ended = asyncio.Event()
        self._work = work
        self._loop = loop
        self._queue: asyncio.Queue[object] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD - 1)
        self._stopping = False

    # ---- in the event loop

    async def next(self) -> object:
        """The next item, or END."""
        item = await self._queue.get()
        self._room.release()
        return item

    def stop(self) -> None:
        """Let the thread end after its current step."""
        self._stopping = True
        self._room.release()

    def _end(self) -> None:
        self._queue.put_nowait(END)
        self.ended.set()

    # ---- in the thread

    def run(self) -> None:
        """Call, step and close the generator."""
        try:
            if not self._stopping:
                self._produce()
        except BaseException as error:
            self.error = error
        finally:
            self._in_loop(self._end)

    def _produce(self) -> None:
        iterator = iter(self._work())
        try:
            for item in iterator:
                self._in_loop(self._queue.put_nowait, item)
                del item  # Otherwise it would be kept until the next one is produced.
                self._room.acquire()
                if self._stopping:
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    def _in_loop(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            self.stop()  # The event loop is closed: there is no reader any more.
