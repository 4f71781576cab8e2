"""The current activity of the daemon: which runs are under way, which wait, and which failed last."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from msgspec import Struct, field

from usersyncd.daemon.engine import WorkItem
from usersyncd.progress import Progress, Wait


class Running(Struct):
    """A run under way: since when (UTC), its progress, and how many of its intervals began meanwhile (``missed``)."""

    since: datetime
    progress: Progress = field(default_factory=Progress)
    missed: int = 0


class Activity:
    """``running`` has the runs under way, ``waiting`` the items that cannot run yet, ``failures`` the status of each
    item whose last run did not succeed."""

    def __init__(self) -> None:
        self.running: dict[WorkItem, Running] = {}
        self.waiting: dict[WorkItem, Wait] = {}
        self.failures: dict[WorkItem, str] = {}

    def begin(self, item: WorkItem, now: datetime) -> Running:
        """Add a run that begins."""
        self.waiting.pop(item, None)
        running = self.running[item] = Running(now)
        return running

    def note(self, item: WorkItem, status: str) -> None:
        """Remember how a run ended."""
        if status == "succeeded":
            self.failures.pop(item, None)
        else:
            self.failures[item] = status

    def forget(self, item: WorkItem) -> None:
        """Forget an item that is no longer configured."""
        self.waiting.pop(item, None)
        self.failures.pop(item, None)

    def current(self) -> list[str]:
        """``hr: reading 12,000``, for each item that runs or cannot run yet. Other threads may call this."""
        running = [(item, running.progress) for item, running in list(self.running.items())]
        return [f"{item.name}: {state}" for item, state in (*running, *list(self.waiting.items()))]

    def line(self, upcoming: Iterable[tuple[datetime, WorkItem]]) -> str:
        """``hr: reading 12,000; next: corp at 14:05:10; app held``"""
        parts = self.current()
        busy = {*self.running, *self.waiting}
        if due := [(when, item) for when, item in upcoming if item not in busy]:
            when, item = due[0]
            with suppress(OverflowError):  # The year 9999 may be a later one here.
                when = when.astimezone()
            parts.append(f"next: {item.name} at {when:%H:%M:%S}")
        parts += [f"{item.name} {status}" for item, status in self.failures.items() if item not in busy]
        return "; ".join(parts) or "no directories"
