"""Decides when a target is due without a pull: at a date, or again after a failure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from usersyncd.core.report import Cause
from usersyncd.daemon.engine import WorkItem, deliver_to

FIRST_RETRY = timedelta(seconds=30)
"""The pause after which a failed delivery is tried again, unless a pull comes earlier. It doubles with each failure."""
LONGEST_RETRY = timedelta(hours=1)
"""The longest such pause."""
FIRST_LOOK = timedelta(seconds=60)
"""The pause between the start of the daemon and its first delivery, unless a pull ends earlier. Dates may have passed
while the daemon did not run."""


class Calendar(Protocol):
    """Runs items at moments (see :class:`usersyncd.daemon.schedule.Schedule`)."""

    def at(self, item: WorkItem, moment: datetime, cause: Cause) -> None:
        """Run an item at a moment. This replaces a moment that was set before."""

    def drop(self, item: WorkItem) -> None:
        """Remove an item: it is no longer due."""


class Due:
    """Sets in ``calendar`` when targets are due."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._failures: dict[str, int] = {}
        self._set: dict[str, datetime] = {}
        """When each target is due."""
        self._reported: dict[str, datetime | None] = {}
        """The next date of each target by its last delivery."""

    def begin(self, target: str, now: datetime) -> None:
        """Set the first delivery to a target: something may have become due while the daemon did not run."""
        self._at(target, now + FIRST_LOOK, "date")

    def delivered(self, target: str, *, failed: bool, due: datetime | None, now: datetime) -> None:
        """Set when a target is due again. ``due``: the next date at which it changes. A date in the past counts as a
        failure: the delivery should have handled it."""
        self._reported[target] = due
        late = due is not None and due <= now
        moments: list[tuple[datetime, Cause]] = [] if due is None or late else [(due, "date")]
        if failed or late:
            moments.append((now + self._pause(target), "retry"))
        else:
            self._failures.pop(target, None)
        if moments:
            self._at(target, *min(moments))
        else:
            self._drop(target)

    def found(self, target: str, due: datetime) -> None:
        """The state has this next date of a target. It counts if the last delivery of this process did not report it,
        and nothing is set for an earlier moment."""
        if due != self._reported.get(target) and (target not in self._set or due < self._set[target]):
            self._at(target, due, "date")

    def removed(self, target: str) -> None:
        """Remove a target that is no longer configured."""
        self._failures.pop(target, None)
        self._reported.pop(target, None)
        self._drop(target)

    def _at(self, target: str, moment: datetime, cause: Cause) -> None:
        self._set[target] = moment
        self._calendar.at(deliver_to(target), moment, cause)

    def _drop(self, target: str) -> None:
        self._set.pop(target, None)
        self._calendar.drop(deliver_to(target))

    def _pause(self, target: str) -> timedelta:
        failures = self._failures[target] = self._failures.get(target, 0) + 1
        return min(FIRST_RETRY * (1 << min(failures - 1, 20)), LONGEST_RETRY)
