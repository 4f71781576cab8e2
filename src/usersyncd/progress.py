"""How far a run is, as data: the daemon tells systemd, and a person at a terminal sees it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

Step = Literal["starting", "reading", "saving", "looking", "verifying", "planning", "delivering"]
"""What a run does at the moment. It counts items while it is ``reading``, objects while it is ``verifying`` and changes
while it is ``delivering``; the other steps have no count."""


class Wait(Struct, frozen=True):
    """A wait for ``party``, such as a host, until ``until`` (UTC; None: nobody knows). ``why`` is for a person."""

    party: str
    why: str
    until: datetime | None = None

    def __str__(self) -> str:
        until = f" until {self.until.astimezone():%H:%M:%S}" if self.until else ""
        return f"waiting{until}: {self.why}"


class Progress:
    """The progress of one run: its ``step``, how much of that is done (``count``), of how much (``total``, None:
    unknown), and what it waits for. ``changed`` is called after each change."""

    def __init__(self, changed: Callable[[Progress], None] = lambda _: None) -> None:
        self.step: Step = "starting"
        self.count = 0
        self.total: int | None = None
        self.waiting: Wait | None = None
        self._changed = changed

    def __str__(self) -> str:
        done = f"{self.step} {self.count:,}" if self.count else self.step
        done += f" of {self.total:,}" if self.count and self.total else ""
        return f"{done}, {self.waiting}" if self.waiting else done

    def begin(self, step: Step, total: int | None = None) -> None:
        """A step begins, which has ``total`` items if that is known."""
        self.step, self.count, self.total, self.waiting = step, 0, total, None
        self._changed(self)

    def advance(self, count: int = 0) -> None:
        """The step goes on: so many more items are done."""
        self.count += count
        self.waiting = None
        self._changed(self)

    def wait(self, wait: Wait) -> None:
        """The step waits. The wait is over when the step advances, or the next one begins."""
        self.waiting = wait
        self._changed(self)
