"""When records are to be shaped again although their directory says the same: their rules read the time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, select

from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.tables import moments, records

PAGE = 5_000


def replace(
    connection: Connection, target: int, directory: int, shaped: Iterable[tuple[int, str | None]], since: int | None
) -> None:
    """Store the moments of records that were shaped: refs, each with its moment (None: the shape holds for good).

    ``since``: records that were not shaped keep theirs, unless a pull after this one found that they left. None: all
    records were shaped.
    """
    mine = select(records.c.ref).where(records.c.directory == directory)
    if since is not None:
        mine = mine.where(records.c.revision > since, records.c.gone_at.is_not(None))
    # A record that left without an object in the target is not shaped.
    connection.execute(delete(moments).where(moments.c.target == target, moments.c.ref.in_(mine)))
    for some in batched(shaped, PAGE):
        if since is not None:
            refs = among(connection, moments.c.ref, [ref for ref, _ in some])
            connection.execute(delete(moments).where(moments.c.target == target, refs))
        rows = ((target, ref, at) for ref, at in some if at is not None)
        bulk.upsert(connection, moments, ("target", "ref", "at"), rows)


def is_any_due(connection: Connection, target: int, now: datetime) -> bool:
    """Whether the shape of a record does not hold any more."""
    query = select(moments.c.ref).where(moments.c.target == target, moments.c.at <= as_text(now))
    return connection.execute(query.limit(1)).first() is not None


def next_due(connection: Connection, target: int) -> datetime | None:
    """The earliest moment of a target."""
    found = connection.scalar(select(func.min(moments.c.at)).where(moments.c.target == target))
    return None if found is None else datetime.fromisoformat(found)


def until(connection: Connection, target: int, directory: int, last: datetime) -> set[int]:
    """The refs of the records of a directory whose moments come until ``last``."""
    query = select(moments.c.ref).join(records, records.c.ref == moments.c.ref)
    mine = moments.c.target == target, records.c.directory == directory, moments.c.at <= as_text(last)
    return set(connection.scalars(query.where(*mine)))


def as_text(moment: datetime) -> str:
    """A moment as the table has it: texts in UTC have the order of the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
