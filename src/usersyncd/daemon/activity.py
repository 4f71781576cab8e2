"""What the daemon does at the moment, and what failed last."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct, field

from usersyncd.daemon.engine import WorkItem
from usersyncd.progress import Progress


class Running(Struct):
    """A run under way: since when (UTC), how far it is, and how many times it was due meanwhile (``missed``)."""

    since: datetime
    progress: Progress = field(default_factory=Progress)
    missed: int = 0


class Activity:
    """``running`` has the runs under way, ``failures`` the status of each item whose last run did not
    succeed."""

    def __init__(self) -> None:
        self.running: dict[WorkItem, Running] = {}
        self.failures: dict[WorkItem, str] = {}

    def note(self, item: WorkItem, status: str) -> None:
        """Remember how a run ended."""
        if status == "succeeded":
            self.failures.pop(item, None)
        else:
            self.failures[item] = status

    def forget(self, item: WorkItem) -> None:
        """The item is not run any more."""
        self.failures.pop(item, None)

    def line(self, upcoming: Iterable[tuple[datetime, WorkItem]]) -> str:
        """``hr: reading 12,000; next: corp at 14:05:10; app held``"""
        parts = [f"{item.name}: {running.progress}" for item, running in self.running.items()]
        waiting = [(when, item) for when, item in upcoming if item not in self.running]
        if waiting:
            when, item = waiting[0]
            parts.append(f"next: {item.name} at {when.astimezone():%H:%M:%S}")
        parts += [f"{item.name} {status}" for item, status in self.failures.items() if item not in self.running]
        return "; ".join(parts) or "no directories"
