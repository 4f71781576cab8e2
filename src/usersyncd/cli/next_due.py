"""When targets have something to do although no directory changes."""

from __future__ import annotations

from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from usersyncd.cli import text
from usersyncd.config import Config
from usersyncd.state import pending, targets
from usersyncd.state.database import Database


def next_due(database: Database, config: Config) -> dict[str, datetime]:
    """The next date of each target that has one, by its name."""
    found: dict[str, datetime] = {}
    with database.read() as connection:
        for target in config.targets.values():
            number = targets.by_name(connection, target.name)
            if number is not None:
                due = pending.next_due(connection, number, target.leavers.delete_after)
                found |= {target.name: due} if due is not None else {}
    return found


def next_due_line(target: str, due: datetime) -> RenderableType:
    """``next date of app: 2026-12-04 00:00:00``"""
    return Text(f"next date of {target}: {text.local(due.isoformat())}")
