"""The progress of a run, as data: the daemon reports it to systemd, and the CLI shows it at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from msgspec import Struct

Step = Literal["starting", "reading", "saving", "preparing", "verifying", "planning", "delivering"]
"""The present step of a run. ``reading`` counts items, ``verifying`` objects, ``delivering`` changes; the other steps
have no count."""


class Wait(Struct, frozen=True):
    """A wait for ``party``, such as a host, until a moment (UTC; None: not known), and the reason (``why``)."""

    party: str
    why: str
    until: datetime | None = None

    def __str__(self) -> str:
        until = f" until {self.until.astimezone():%H:%M:%S}" if self.until else ""
        return f"waiting{until}: {self.why}"


class Progress:
    """The progress of one run: its ``step``, how many items of the step are done (``count``), how many it has
    (``total``; None: not known), and what it is ``waiting`` for. ``changed`` is called after each change."""

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
        """Begin a step, which has ``total`` items if that is known."""
        self.step, self.count, self.total, self.waiting = step, 0, total, None
        self._changed(self)

    def advance(self, count: int = 0) -> None:
        """Count items of the step as done. A wait ends."""
        self.count += count
        self.waiting = None
        self._changed(self)

    def wait(self, wait: Wait) -> None:
        """Note what the step waits for. The wait ends when the step advances, or the next step begins."""
        self.waiting = wait
        self._changed(self)
