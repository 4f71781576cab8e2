"""What a target waits for besides a change in a directory: what failed, got no answer, or is due at a date."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, func, select

from usersyncd.state import moments
from usersyncd.state.tables import links, records, renames, retries, sent


def has_pending(connection: Connection, target: int) -> bool:
    """Whether something failed or was not answered, or the target was not told a directory's new name."""
    return any(
        _exists(connection, select(table.c.target).where(table.c.target == target))
        for table in (retries, sent, renames)
    )


def has_leavers(connection: Connection, target: int, directory: int, before: datetime) -> bool:
    """Whether the target holds leavers of the directory who left before this moment."""
    query = (
        select(links.c.ref)
        .join(records, records.c.ref == links.c.ref)
        .where(links.c.target == target, records.c.directory == directory, links.c.left_at <= before.isoformat())
    )
    return _exists(connection, query)


def next_due(connection: Connection, target: int, kept: timedelta | None) -> datetime | None:
    """When a shape does not hold any more, or a leaver is to be deleted. ``kept``: how long leavers are kept."""
    moment = moments.next_due(connection, target)
    due = [] if moment is None else [moment]
    if kept is not None:
        # Without the second condition, SQLite reads all links instead of the index of those of leavers.
        leavers = links.c.target == target, links.c.left_at.is_not(None)
        left = connection.scalar(select(func.min(links.c.left_at)).where(*leavers))
        due += [] if left is None else [datetime.fromisoformat(left) + kept]
    return min(due, default=None)


def _exists(connection: Connection, query: Select[tuple[int]]) -> bool:
    return connection.execute(query.limit(1)).first() is not None
