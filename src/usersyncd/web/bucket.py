"""Limits the rate of requests: a bucket for each directory or token, refilled steadily."""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class RequestBucket:
    """At most ``per_minute`` requests in a minute; a burst may use a quarter of them at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._most = max(1.0, per_minute / 4)
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def take(self) -> int:
        """Count a request. Returns 0, or the seconds after which the next one is accepted."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return max(1, math.ceil((1 - self._left) / self._rate))
        self._left -= 1
        return 0
