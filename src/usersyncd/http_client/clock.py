"""The clock for waits and deadlines. Tests pass one that does not wait."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """The real time."""

    def now(self) -> float:
        """Seconds since an arbitrary moment; monotonic."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait. Ends at once when the task is cancelled."""
        await asyncio.sleep(seconds)
