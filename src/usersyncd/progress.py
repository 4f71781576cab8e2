"""How far a run has come: the daemon tells systemd, and a person at a terminal."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Progress(Struct):
    """A run under way: since when (UTC), at which step, and how much of that step is done."""

    since: datetime
    step: str = "starting"
    count: int = 0
    waiting: str = ""
    """What it waits for, in words."""
    missed: int = 0
    """How many of its directory's intervals passed meanwhile."""

    def __str__(self) -> str:
        done = f"{self.step} {self.count:,}" if self.count else self.step
        return f"{done}, {self.waiting}" if self.waiting else done

    def watch(self, step: str, count: int) -> None:
        """See :data:`usersyncd.run.Watch`."""
        self.waiting = step if step.startswith("waiting") else ""
        if step == "planned" or self.waiting:
            return
        self.count = count if step != self.step else self.count + count
        self.step = step
