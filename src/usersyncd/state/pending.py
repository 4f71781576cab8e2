"""Finds reasons for a delivery other than a change in a directory: failed records, unanswered changes, due dates."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, func, or_, select

from usersyncd.state import moments
from usersyncd.state.tables import links, records, renames, retries, sent


def has_pending(connection: Connection, target: int, now: datetime) -> bool:
    """Whether a record failed and does not wait any longer, a change was not answered, or the target may still have an
    old name of a directory."""
    is_due = or_(retries.c.due.is_(None), retries.c.due <= moments.as_text(now))
    return _exists(connection, select(retries.c.target).where(retries.c.target == target, is_due)) or any(
        _exists(connection, select(table.c.target).where(table.c.target == target)) for table in (sent, renames)
    )


def has_leavers(connection: Connection, target: int, directory: int, before: datetime) -> bool:
    """Whether the target holds a leaver of the directory that left until this moment."""
    query = (
        select(links.c.ref)
        .join(records, records.c.ref == links.c.ref)
        .where(links.c.target == target, records.c.directory == directory, links.c.left_at <= before.isoformat())
    )
    return _exists(connection, query)


def next_due(connection: Connection, target: int, kept: timedelta | None) -> datetime | None:
    """The earliest moment at which a shape ceases to hold or a leaver must be deleted. ``kept``: how long leavers are
    kept."""
    moment = moments.next_due(connection, target)
    due = [] if moment is None else [moment]
    if kept is not None:
        # Without the second condition, SQLite would read all links instead of the index of leavers.
        leavers = links.c.target == target, links.c.left_at.is_not(None)
        left = connection.scalar(select(func.min(links.c.left_at)).where(*leavers))
        due += [] if left is None else [datetime.fromisoformat(left) + kept]
    return min(due, default=None)


def _exists(connection: Connection, query: Select[tuple[int]]) -> bool:
    return connection.execute(query.limit(1)).first() is not None
