"""Decides what runs: requests for the same work become one, and the same work never runs twice at once.

Another engine, such as one that shares its queue with other processes, implements :class:`Engine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from msgspec import Struct

from usersyncd.core.report import Cause
from usersyncd.errors import LockedError

FIRST_PAUSE = 0.1
"""Seconds between the first two attempts at work whose lock another process has. The pause doubles each time."""


class WorkItem(Struct, frozen=True):
    """``pull`` a directory, or one ``person`` of it, or ``deliver`` to a target."""

    kind: Literal["pull", "person", "deliver"]
    name: str
    person: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.person}".rstrip()


def pull_of(directory: str) -> WorkItem:
    return WorkItem("pull", directory)


def person_of(directory: str, person: str) -> WorkItem:
    return WorkItem("person", directory, person)


def deliver_to(target: str) -> WorkItem:
    return WorkItem("deliver", target)


class Engine(Protocol):
    """Runs requested work, one run of an item at a time."""

    def request(self, item: WorkItem, cause: Cause) -> None:
        """Run the item as soon as possible. Several requests for an item that waits become one. An item that is running
        is run once more afterwards."""

    def is_busy(self, item: WorkItem) -> bool:
        """Whether the item waits or runs."""

    async def stop(self) -> None:
        """Cancel what runs, discard what waits, and return when nothing runs any more. Later requests are ignored."""


class LocalEngine:
    """The engine of one process. The locks of the state database exclude other processes: if one has the lock of an
    item, ``perform`` raises LockedError, and is called again after a pause.

    The pause grows up to ``longest_pause`` seconds. One attempt per interval could find the lock taken every time.
    Tests replace ``sleep``.
    """

    def __init__(
        self,
        perform: Callable[[WorkItem, Cause], Awaitable[None]],
        longest_pause: Callable[[WorkItem], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._perform = perform
        self._longest_pause = longest_pause
        self._sleep = sleep
        self._waiting: dict[WorkItem, Cause] = {}
        self._workers: dict[WorkItem, asyncio.Task[None]] = {}
        self._stopped = False

    def request(self, item: WorkItem, cause: Cause) -> None:
        """See :class:`Engine`. Of several requests, the cause of the first one is kept."""
        if self._stopped:
            return
        self._waiting.setdefault(item, cause)
        if item not in self._workers:
            self._workers[item] = asyncio.create_task(self._work(item), name=str(item))

    def is_busy(self, item: WorkItem) -> bool:
        """See :class:`Engine`."""
        return item in self._workers

    async def stop(self) -> None:
        """See :class:`Engine`."""
        self._stopped = True
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, item: WorkItem) -> None:
        """Run the item until there is no more request for it."""
        pause = FIRST_PAUSE
        try:
            while not self._stopped and (cause := self._waiting.pop(item, None)) is not None:
                try:
                    await self._perform(item, cause)
                    pause = FIRST_PAUSE
                except LockedError:
                    self._waiting[item] = cause
                    pause = min(pause, self._longest_pause(item))
                    await self._sleep(pause)
                    pause *= 2
        finally:
            del self._workers[item]
