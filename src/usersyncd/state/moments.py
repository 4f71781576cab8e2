"""Stores the moment until which the shape of a record holds, for records whose rules depend on the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, func, select

from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.tables import directories, moments, records

PAGE = 5_000


def replace(
    connection: Connection, target: int, directory: int, shaped: Iterable[tuple[int, str | None]], since: int | None
) -> None:
    """Store the moments of records that were shaped: ref and moment (None: the shape holds for ever).

    ``since`` None: all records of the directory were shaped, and the moments of others are deleted. Otherwise the other
    records keep their moments, except records that a pull after ``since`` deleted.
    """
    outdated = select(records.c.ref).where(records.c.directory == directory)
    if since is not None:
        # A deleted record that has no object in the target is not shaped.
        outdated = outdated.where(records.c.revision > since, records.c.gone_at.is_not(None))
    connection.execute(delete(moments).where(moments.c.target == target, moments.c.ref.in_(outdated)))
    for batch in batched(shaped, PAGE):
        if since is not None:
            refs = among(connection, moments.c.ref, [ref for ref, _ in batch])
            connection.execute(delete(moments).where(moments.c.target == target, refs))
        rows = ((target, ref, at) for ref, at in batch if at is not None)
        bulk.upsert(connection, moments, ("target", "ref", "at"), rows)


def is_any_due(connection: Connection, target: int, now: datetime) -> bool:
    """Whether the shape of any record has ceased to hold."""
    query = select(moments.c.ref).where(moments.c.target == target, moments.c.at <= as_text(now))
    return connection.execute(query.limit(1)).first() is not None


def drop_due(connection: Connection, target: int, now: datetime, listed: Collection[str]) -> None:
    """Delete the passed moments of records of all directories but those that are ``listed``, by name."""
    elsewhere = (
        select(moments.c.ref)
        .join(records, records.c.ref == moments.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .where(moments.c.target == target, moments.c.at <= as_text(now), directories.c.name.not_in(listed))
    )
    refs = list(connection.scalars(elsewhere))
    for batch in batched(refs, PAGE):
        connection.execute(delete(moments).where(moments.c.target == target, among(connection, moments.c.ref, batch)))


def next_due(connection: Connection, target: int) -> datetime | None:
    """The earliest moment at which the shape of a record ceases to hold."""
    earliest = connection.scalar(select(func.min(moments.c.at)).where(moments.c.target == target))
    return None if earliest is None else datetime.fromisoformat(earliest)


def until(connection: Connection, target: int, directory: int, last: datetime) -> set[int]:
    """The refs of the records of a directory whose shapes cease to hold until ``last``."""
    query = select(moments.c.ref).join(records, records.c.ref == moments.c.ref)
    matches = moments.c.target == target, records.c.directory == directory, moments.c.at <= as_text(last)
    return set(connection.scalars(query.where(*matches)))


def as_text(moment: datetime) -> str:
    """A moment as text in UTC, as the table stores it: these texts sort in the order of time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
