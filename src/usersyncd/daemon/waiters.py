"""Lets others wait for a run that has not begun yet."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from msgspec import Struct

from usersyncd.daemon.engine import WorkItem
from usersyncd.errors import LockedError

T = TypeVar("T")


class Ending(Struct, Generic[T]):
    """How a run ended: the result that its waiters get; None: it has none."""

    result: T | None = None


class Waiters(Generic[T]):
    """Who waits for which run."""

    def __init__(self) -> None:
        self._futures: defaultdict[WorkItem, list[asyncio.Future[T | None]]] = defaultdict(list)

    def next_run(self, item: WorkItem) -> asyncio.Future[T | None]:
        """The result of the next run of an item that begins: not of one that is under way, which may have read what
        has changed since. None: it ended without a result."""
        future: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._futures[item].append(future)
        return future

    @contextmanager
    def run(self, item: WorkItem) -> Iterator[Ending[T]]:
        """The run of an item. It did not begin if another process has its lock."""
        waiting, ending = self._futures.pop(item, []), Ending[T]()
        try:
            yield ending
        except LockedError:
            self._futures[item][:0] = waiting
            waiting = []
            raise
        finally:
            _end(waiting, ending.result)

    def close(self) -> None:
        """End all waits without a result: nothing runs any more."""
        for waiting in self._futures.values():
            _end(waiting, None)
        self._futures.clear()


def _end(waiting: Iterable[asyncio.Future[T | None]], result: T | None) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(result)
