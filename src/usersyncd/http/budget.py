"""How many requests one host gets at a time, and how many a minute: as many as it takes, and no more.

It is the rule by which TCP shares a line (RFC 5681): a little more after every answer, half of it after a refusal. Who
shares the host, other runs and other programs, is found out in this way and not configured.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from usersyncd.http.clock import Clock
from usersyncd.plugin import Patience

STEP = 0.01
"""What an answer adds to the share that is used."""
LEAST = 1 / 64
"""The share never gets smaller than this."""
MARGIN = 0.97
"""The part of a known quota that is used: both sides count, and not in the same second."""
CATCH_UP = 0.25
"""Seconds of a known quota that may be used later than they came."""


class Budget:
    """The budget of one host. ``async with budget:`` waits for a turn, and holds it for one attempt."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self.answered = False
        """Whether the host has ever answered in this run."""
        self._clock = clock
        self._most = patience.concurrency
        self._per_second = MARGIN * patience.per_minute / 60 if patience.per_minute else None
        self._share = 1.0
        self._under_way = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._shut_until = self._next = clock.now()
        self._halved = clock.now() - 1

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._most * self._share))

    async def __aenter__(self) -> None:
        while True:
            pause = max(self._shut_until, self._next) - self._clock.now()
            if pause > 0:
                await self._clock.sleep(pause)
            elif self._under_way >= self.limit:
                await self._vacancy()
            else:
                break
        self._under_way += 1
        if self._per_second:
            self._next = max(self._next, self._clock.now() - CATCH_UP) + 1 / (self._per_second * self._share)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._under_way -= 1
        self._call()

    def took(self) -> None:
        """The host took a request and answered it."""
        self.answered = True
        self._share = min(1.0, self._share + STEP)

    def throttled(self, began: float, seconds: float) -> bool:
        """The host asked to be left alone for these seconds, in the answer to a request that ``began`` then. Requests
        that were under way together count as one refusal. True: the wait is longer than the one that was known."""
        now = self._clock.now()
        if began > self._halved:
            self._share = max(LEAST, self._share / 2)
            self._halved = now
        return self.put_off(seconds)

    def put_off(self, seconds: float) -> bool:
        """No new request for these seconds. True: this is longer than what was known."""
        until = self._clock.now() + seconds
        longer = until > self._shut_until
        self._shut_until = max(self._shut_until, until)
        return longer

    async def _vacancy(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._call()  # The place was given to us, and somebody else wants it.
            raise

    def _call(self) -> None:
        free = self.limit - self._under_way
        while free > 0 and self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
