"""Repeated work of the daemon beside the runs, such as following the clock or sending signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Service:
    """Calls ``work`` whenever it is woken, and at the latest every ``pause`` seconds (None: only when it is woken)."""

    def __init__(self, work: Callable[[], Awaitable[None]], pause: float | None = None) -> None:
        self._work = work
        self._pause = pause
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Work until this is cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._woken.wait()
            self._woken.clear()
            await self._work()
