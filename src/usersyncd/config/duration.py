"""Parses durations (``15m``, ``1h30m``), times of day (``daily at 02:00``) and limits (``5%``)."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Any

from msgspec import Struct

from usersyncd.core.model import Limit
from usersyncd.plugin import duration

DAILY = r"^daily at ([01]?[0-9]|2[0-3]):([0-5][0-9])$"
UNLIMITED = "unlimited"
PERCENT = r"^(100|[0-9]{1,2}(\.[0-9]+)?)%$"

_LONGEST_WINDOW = timedelta(days=90)


class Complete(Struct, frozen=True):
    """When a directory is read completely, or a target is verified: after each duration ``every``, or each day ``at`` a
    local time. Exactly one of the two is set."""

    every: timedelta | None = None
    at: time | None = None

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """Whether it is due again after the ``last`` time. Both times have time zones. A ``last`` time in the future
        came from a wrong clock, and is ignored."""
        if last is None or last > now:
            return True
        if self.every is not None:
            return now - last >= self.every
        today = now.astimezone()
        latest = datetime.combine(today, self.at or time()).astimezone()
        if latest > now:
            latest = datetime.combine(today - timedelta(days=1), self.at or time()).astimezone()
        return last < latest


def complete(value: Any) -> Complete:
    """A duration, or ``daily at 02:00``. Raises ValueError."""
    if isinstance(value, str) and (match := re.fullmatch(DAILY, value)):
        return Complete(at=time(int(match[1]), int(match[2])))
    try:
        return Complete(every=duration(value))
    except ValueError:
        raise ValueError("must be “daily at 02:00” (local time) or a duration such as 12h") from None


def delay(value: Any) -> timedelta:
    """A duration, or ``now``: zero. Raises ValueError."""
    if value == "now":
        return timedelta(0)
    try:
        return duration(value)
    except ValueError:
        raise ValueError("must be now, or a duration such as 30d") from None


def limit(value: Any) -> Limit | None:
    """A percentage up to 100 as text, a whole number from 0, or ``unlimited``. Raises ValueError."""
    if value == UNLIMITED:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Limit(float(value), percent=False)
    if isinstance(value, str) and (match := re.fullmatch(PERCENT, value)):
        return Limit(float(match[1]), percent=True)
    raise ValueError("must be a percentage such as 5%, a whole number of objects such as 25, or unlimited")


def window(value: Any) -> timedelta:
    """A duration of at most 90 days, for which the history is kept. Raises ValueError."""
    found = duration(value)
    if found > _LONGEST_WINDOW:
        raise ValueError("must be a duration of at most 90d: the history is kept for 90 days")
    return found
