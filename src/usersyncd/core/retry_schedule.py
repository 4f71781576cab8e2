"""When an event is sent to a webhook again: the schedule of Standard Webhooks 1.0."""

from __future__ import annotations

from datetime import timedelta

_HOUR = 3600
DELAYS = (0, 5, 300, 1800, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR)
"""Seconds before the first, second, … attempt."""
JITTER = 0.1
LONGEST_WAIT = timedelta(days=1)
"""The most that a receiver may ask for with Retry-After."""
LONGEST_PAUSE = timedelta(seconds=DELAYS[-1] * (1 + JITTER))


def pause_after(failures: int, chance: float, asked: timedelta | None = None) -> timedelta | None:
    """How long to wait after so many attempts failed; None: there is no further attempt.

    ``chance``, from 0 to 1, lengthens the pause by up to a tenth, so that many senders do not come back at once.
    ``asked``: what the receiver asked for, which may only lengthen it.
    """
    if failures >= len(DELAYS):
        return None
    pause = timedelta(seconds=DELAYS[failures] * (1 + JITTER * chance))
    return max(pause, min(asked, LONGEST_WAIT)) if asked is not None else pause
