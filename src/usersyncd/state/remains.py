"""What a target holds of a directory, whether or not it still lists the directory."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, and_, func, select

from usersyncd.plugin import Kind
from usersyncd.state.columns import KIND
from usersyncd.state.tables import directories, links, records, renames, sent


class Remains(Struct):
    """What is linked of one directory: ``users`` who are no leavers, ``groups``, and ``leavers`` who are kept.
    ``unanswered``: a run of the directory got no answer, or the target was not told its new name."""

    users: int = 0
    groups: int = 0
    leavers: int = 0
    unanswered: bool = False


def remains(connection: Connection, target: int, directory: str) -> Remains:
    """What is linked of a directory."""
    left = links.c.left_at.is_not(None)
    counts = (
        select(links.c.kind, left, func.count())
        .select_from(records)
        .join(directories, directories.c.id == records.c.directory)
        .join(links, and_(links.c.target == target, links.c.ref == records.c.ref))
        .where(directories.c.name == directory)
        .group_by(links.c.kind, left)
    )
    found = Remains()
    for kind, is_leaver, count in connection.execute(counts):
        if KIND[kind] is Kind.GROUP:
            found.groups += count
        elif is_leaver:
            found.leavers += count
        else:
            found.users += count
    for table in (sent, renames):
        open_ = select(table.c.directory).join(directories, directories.c.id == table.c.directory)
        mine = open_.where(table.c.target == target, directories.c.name == directory)
        found.unanswered = found.unanswered or connection.execute(mine.limit(1)).first() is not None
    return found
