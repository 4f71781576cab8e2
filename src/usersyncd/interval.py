"""The interval at which a directory is run, on a machine whose clock may jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.triggers.interval import IntervalTrigger

JITTER = 0.05
"""The part of an interval by which a run may come early."""
LONGEST_JITTER = timedelta(seconds=60)
"""The longest time by which a run may come early."""


class Interval(IntervalTrigger):  # type: ignore[misc]
    """A run comes early rather than late: no change waits longer than ``every``.

    All missed times together are one run. APScheduler would step through them one by one: after the clock jumped by
    years, as on a machine without a battery, that takes minutes and blocks everything else.
    """

    def __init__(self, every: timedelta) -> None:
        jitter = min(every * JITTER, LONGEST_JITTER)
        super().__init__(seconds=(every - jitter).total_seconds(), jitter=jitter.total_seconds(), timezone=UTC)

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first time after ``now``."""
        found: datetime | None = super().get_next_fire_time(previous and max(previous, now), now)
        return found
