"""Calls when work is due. APScheduler keeps the moments; this module corrects them when the clock jumps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from msgspec import Struct

from usersyncd.core.report import Cause
from usersyncd.daemon.engine import WorkItem
from usersyncd.interval import Interval

SPREAD = timedelta(seconds=60)
"""The first pulls of all directories are spread over this time; over a tenth of the shortest interval, if that is
shorter."""
TOLERANCE = timedelta(seconds=1)
"""A smaller difference to the wall clock does not count as a jump."""


class _Entry(Struct):
    """A scheduled item, with the cause of its next run. ``longest``: the longest intended wait; None: it waits for a
    date."""

    item: WorkItem
    cause: Cause
    repeats: bool
    longest: timedelta | None


class Schedule:
    """Calls ``due`` with each item and its cause when it is due. ``scheduler`` is APScheduler's; ``clock`` gives the
    current time (UTC)."""

    def __init__(
        self, due: Callable[[WorkItem, Cause], None], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        self._due = due
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self.scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )

    def start(self) -> None:
        self.scheduler.start()

    def stop(self) -> None:
        if self.scheduler.running:
            self.scheduler.shutdown(wait=False)

    def every(self, intervals: Mapping[WorkItem, timedelta], cause: Cause) -> None:
        """Run these items now, spread a little, with this ``cause``; then run them at their intervals."""
        window = min([SPREAD, *(interval / 10 for interval in intervals.values())])
        for place, (item, interval) in enumerate(intervals.items()):
            first = self._clock() + window * place / len(intervals)
            self._add(_Entry(item, cause, repeats=True, longest=interval), Interval(interval), first)

    def at(self, item: WorkItem, moment: datetime, cause: Cause) -> None:
        """Run an item at a moment. This replaces a moment that was set before. With the cause ``date``, the moment
        stays when the clock is set; with any other cause, it is the end of a pause that begins now."""
        longest = None if cause == "date" else moment - self._clock()
        self._add(_Entry(item, cause, repeats=False, longest=longest), DateTrigger(moment), moment)

    def drop(self, item: WorkItem) -> None:
        """Remove an item: it is no longer due."""
        if self._entries.pop(str(item), None) is not None:
            self.scheduler.remove_job(str(item))

    def upcoming(self) -> list[tuple[datetime, WorkItem]]:
        """When each item is due next, the soonest first."""
        due = [(job.next_run_time, self._entries[job.id].item) for job in self.scheduler.get_jobs()]
        return sorted(due, key=lambda one: one[0])

    def follow_clock(self) -> None:
        """Correct the moments after a jump of the wall clock.

        The scheduler reads the wall clock once, and then waits by a clock that stands still while the machine sleeps.
        If the wall clock was set back, an item would wait longer by that much: it runs now. If the wall clock jumped
        ahead, items are overdue: the scheduler is woken.
        """
        now = self._clock()
        for job in self.scheduler.get_jobs():
            longest = self._entries[job.id].longest
            if longest is not None and job.next_run_time - now > longest + TOLERANCE:
                job.modify(next_run_time=now)
            elif job.next_run_time < now - TOLERANCE:
                self.scheduler.wakeup()

    def _add(self, entry: _Entry, trigger: Interval | DateTrigger, first: datetime) -> None:
        name = str(entry.item)
        self._entries[name] = entry
        self.scheduler.add_job(self._fire, trigger, args=[entry], id=name, next_run_time=first, replace_existing=True)

    async def _fire(self, entry: _Entry) -> None:
        # APScheduler calls coroutines in the event loop, and other functions in a thread.
        cause, entry.cause = entry.cause, "interval"
        if not entry.repeats and self._entries.get(str(entry.item)) is entry:
            del self._entries[str(entry.item)]
        self._due(entry.item, cause)
