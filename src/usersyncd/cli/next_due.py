"""The line that shows when a target has something to do although no directory changes."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from usersyncd.cli import text


def next_due_line(target: str, due: datetime) -> RenderableType:
    """``next change of app by a date: 2026-12-04 00:00:00``"""
    return Text(f"next change of {target} by a date: {text.local(due.isoformat())}")
