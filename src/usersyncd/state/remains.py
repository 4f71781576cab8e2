"""Counts what a target still holds of a directory, also of one that it no longer lists."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, and_, func, select

from usersyncd.plugin import Kind
from usersyncd.state.columns import KIND
from usersyncd.state.tables import directories, links, records, renames, sent


class Remains(Struct):
    """The numbers of links of one directory in one target: ``users`` (without leavers), ``groups``, and ``leavers``
    that are kept. ``unanswered``: a change was not answered, or the target may still have an old name of the
    directory."""

    users: int = 0
    groups: int = 0
    leavers: int = 0
    unanswered: bool = False


def remains(connection: Connection, target: int, directory: str) -> Remains:
    """Count the links of a directory in a target."""
    left = links.c.left_at.is_not(None)
    counts = (
        select(links.c.kind, left, func.count())
        .select_from(records)
        .join(directories, directories.c.id == records.c.directory)
        .join(links, and_(links.c.target == target, links.c.ref == records.c.ref))
        .where(directories.c.name == directory)
        .group_by(links.c.kind, left)
    )
    held = Remains()
    for kind, is_leaver, count in connection.execute(counts):
        if KIND[kind] is Kind.GROUP:
            held.groups += count
        elif is_leaver:
            held.leavers += count
        else:
            held.users += count
    for table in (sent, renames):
        rows = select(table.c.directory).join(directories, directories.c.id == table.c.directory)
        rows = rows.where(table.c.target == target, directories.c.name == directory)
        held.unanswered = held.unanswered or connection.execute(rows.limit(1)).first() is not None
    return held
