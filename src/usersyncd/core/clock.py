"""Time by a clock that may be wrong for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

NO_TIME = timedelta(0)


def gap(earlier: datetime, later: datetime, longest: timedelta) -> timedelta:
    """The time between two consecutive readings of a clock, at most ``longest``. A clock that was set back gives none.

    A sum of gaps is a time that one wrong reading changes by ``longest`` at the most.
    """
    return min(max(later - earlier, NO_TIME), longest)
