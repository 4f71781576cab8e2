"""Limits the concurrent requests to one host and their rate to what the host accepts.

The rule is TCP's congestion control (RFC 5681): a small increase after every response, half after a throttled one. So
the limit adapts to other runs and programs that use the same host, without configuration.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from usersyncd.http_client.clock import Clock
from usersyncd.plugin import Patience

STEP = 0.01
"""The increase of the share after a response."""
LEAST = 1 / 64
"""The minimum of the share."""
MARGIN = 0.97
"""The part of a known quota that is used, because both sides count in slightly different windows."""
CATCH_UP = 0.25
"""Seconds of unused quota that may be used later."""


class Budget:
    """The request budget of one host. ``async with budget:`` waits for a free slot and holds it for one attempt."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self.answered = False
        """Whether the host has responded at least once in this run."""
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
        """The current maximum of concurrent requests."""
        return max(1, int(self._most * self._share))

    async def __aenter__(self) -> None:
        while True:
            pause = max(self._shut_until, self._next) - self._clock.now()
            if pause > 0:
                await self._clock.sleep(pause)
            elif self._under_way >= self.limit:
                await self._wait_for_slot()
            else:
                break
        self._under_way += 1
        if self._per_second:
            self._next = max(self._next, self._clock.now() - CATCH_UP) + 1 / (self._per_second * self._share)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._under_way -= 1
        self._assign_slots()

    def took(self) -> None:
        """Record a response that was not throttled."""
        self.answered = True
        self._share = min(1.0, self._share + STEP)

    def throttled(self, began: float, seconds: float) -> bool:
        """Record that the host requested a wait of ``seconds`` in the response to a request that began at ``began``.
        Concurrent requests count as one throttling. True: this extends the current wait."""
        now = self._clock.now()
        if began > self._halved:
            self._share = max(LEAST, self._share / 2)
            self._halved = now
        return self.put_off(seconds)

    def put_off(self, seconds: float) -> bool:
        """Start no new request for these seconds. True: this extends the current wait."""
        until = self._clock.now() + seconds
        longer = until > self._shut_until
        self._shut_until = max(self._shut_until, until)
        return longer

    async def _wait_for_slot(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._assign_slots()  # The slot was assigned to this request: pass it on.
            raise

    def _assign_slots(self) -> None:
        free = self.limit - self._under_way
        while free > 0 and self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
