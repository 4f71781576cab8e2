"""The changes of a target that dates will cause, as text for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from usersyncd.cli import text
from usersyncd.core.report import Upcoming
from usersyncd.words import many

_WORDS = {
    "create": "creation", "update": "update", "deactivate": "deactivation", "reactivate": "reactivation",
    "delete": "deletion",
}  # fmt: skip


def describe_upcoming(upcoming: Upcoming) -> Iterator[RenderableType]:
    """``due by Wed 1 Apr: 3 deactivations``, and a warning if the guard will hold them."""
    until = datetime.fromisoformat(upcoming.until).astimezone()
    counts = ((getattr(upcoming, op), word) for op, word in _WORDS.items())
    yield Text(f"due by {until:%a} {until.day} {until:%b}: " + ", ".join(many(n, word) for n, word in counts if n))
    for limit in upcoming.guard:
        found = f"will be held by the guard: {limit.limit} {limit.found}, allowed {limit.allowed}"
        yield Text(text.clean(found), style="yellow")
    if upcoming.guard:
        yield text.hanging("  → ", "approve them when they are held, or raise the limit")
