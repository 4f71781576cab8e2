"""Says when work is due: APScheduler, on a machine whose clock may jump."""

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
"""The first pulls of all directories are spread over this time, or over a tenth of the shortest interval."""
TOLERANCE = timedelta(seconds=1)
"""A difference to the wall clock that is no jump."""


class _Entry(Struct):
    """An item and the cause of its next run. ``longest`` is the longest intended wait; None: it waits for a date."""

    item: WorkItem
    cause: Cause
    repeats: bool
    longest: timedelta | None


class Schedule:
    """Calls ``due`` with each item and its cause when it is due. ``scheduler`` is APScheduler's; ``clock`` says what
    time it is (UTC)."""

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
        """Run these items now, because of ``cause`` and spread a little, and from then on at their intervals."""
        window = min([SPREAD, *(interval / 10 for interval in intervals.values())])
        for place, (item, interval) in enumerate(intervals.items()):
            first = self._clock() + window * place / len(intervals)
            self._add(_Entry(item, cause, repeats=True, longest=interval), Interval(interval), first)

    def at(self, item: WorkItem, moment: datetime, cause: Cause) -> None:
        """Run an item at a moment, instead of any that was set before. A moment of a ``date`` stays when the clock is
        set; any other means a pause from now on."""
        longest = None if cause == "date" else moment - self._clock()
        self._add(_Entry(item, cause, repeats=False, longest=longest), DateTrigger(moment), moment)

    def drop(self, item: WorkItem) -> None:
        """The item is not due any more."""
        if self._entries.pop(str(item), None) is not None:
            self.scheduler.remove_job(str(item))

    def upcoming(self) -> list[tuple[datetime, WorkItem]]:
        """When each item is due next, the soonest first."""
        due = [(job.next_run_time, self._entries[job.id].item) for job in self.scheduler.get_jobs()]
        return sorted(due, key=lambda one: one[0])

    def follow_clock(self) -> None:
        """Correct what a jump of the wall clock did. The scheduler reads the wall clock once, and then waits by a clock
        that stands still while the machine sleeps. When the wall clock was set back, an item would wait for as long;
        when the wall clock is ahead, an item is overdue."""
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
