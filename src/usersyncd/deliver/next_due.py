"""When targets have something to do although no directory changes."""

from __future__ import annotations

from datetime import datetime

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
