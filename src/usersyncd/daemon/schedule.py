"""Says when work is due: APScheduler, on a machine whose clock may jump."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from usersyncd.daemon.engine import Cause, WorkItem
from usersyncd.interval import Interval

SPREAD = timedelta(seconds=60)
"""The first pulls of all directories are spread over this time, or over a tenth of the shortest interval."""
TOLERANCE = timedelta(seconds=1)
"""A difference to the wall clock that is no jump."""


class Schedule:
    """Calls ``due`` with each item and its cause when it is due. ``scheduler`` is APScheduler's."""

    def __init__(self, due: Callable[[WorkItem, Cause], None]) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._due = due
        self._items: dict[str, WorkItem] = {}
        self._first_cause: dict[WorkItem, Cause] = {}
        self.scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        self.scheduler.start()

    def stop(self) -> None:
        if self.scheduler.running:
            self.scheduler.shutdown(wait=False)

    def every(self, intervals: Mapping[WorkItem, timedelta], cause: Cause) -> None:
        """Run these items now, because of ``cause`` and spread a little, and from then on at their intervals."""
        window = min([SPREAD, *(interval / 10 for interval in intervals.values())])
        for place, (item, interval) in enumerate(intervals.items()):
            self._items[str(item)] = item
            self._first_cause[item] = cause
            first = _now() + window * place / len(intervals)
            self.scheduler.add_job(
                self._fire, Interval(interval), args=[item], id=str(item), next_run_time=first, replace_existing=True
            )

    def drop(self, item: WorkItem) -> None:
        """The item is not due any more."""
        self._items.pop(str(item))
        self.scheduler.remove_job(str(item))

    def upcoming(self) -> list[tuple[datetime, WorkItem]]:
        """When each item is due next, the soonest first."""
        due = [(job.next_run_time, self._items[job.id]) for job in self.scheduler.get_jobs()]
        return sorted(due, key=lambda one: one[0])

    def follow_clock(self) -> None:
        """Correct what a jump of the wall clock did. The scheduler reads the wall clock once, and then waits by a clock
        that stands still while the machine sleeps. When the wall clock was set back, an item would wait for as long;
        when the wall clock is ahead, an item is overdue."""
        now = _now()
        for job in self.scheduler.get_jobs():
            if job.next_run_time - now > job.trigger.every + TOLERANCE:
                job.modify(next_run_time=now)
            elif job.next_run_time < now - TOLERANCE:
                self.scheduler.wakeup()

    async def _fire(self, item: WorkItem) -> None:
        # APScheduler calls coroutines in the event loop, and other functions in a thread.
        self._due(item, self._first_cause.pop(item, "interval"))


def _now() -> datetime:
    return datetime.now(UTC)
