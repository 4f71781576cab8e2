"""What a target holds of each directory, whether or not it still lists the directory."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, func, select

from usersyncd.plugin import Kind
from usersyncd.state.spool import KIND
from usersyncd.state.tables import directories, links, records, renames, sent


class Remains(Struct):
    """What is linked of one directory: ``users`` who are no leavers, ``groups``, and ``leavers`` who are kept.
    ``unanswered``: a run of the directory got no answer, or the target was not told its new name."""

    users: int = 0
    groups: int = 0
    leavers: int = 0
    unanswered: bool = False


def remains(connection: Connection, target: int, directory: str | None = None) -> dict[str, Remains]:
    """What is linked of each directory, by its name. ``directory``: of this one only."""
    of_one = () if directory is None else (directories.c.name == directory,)
    left = links.c.left_at.is_not(None)
    counts = (
        select(directories.c.name, links.c.kind, left, func.count())
        .select_from(links)
        .join(records, records.c.ref == links.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .where(links.c.target == target, *of_one)
        .group_by(directories.c.name, links.c.kind, left)
    )
    found: dict[str, Remains] = {}
    for name, kind, is_leaver, count in connection.execute(counts):
        one = found.setdefault(name, Remains())
        if KIND[kind] is Kind.GROUP:
            one.groups += count
        elif is_leaver:
            one.leavers += count
        else:
            one.users += count
    for table in (sent, renames):
        open_ = select(directories.c.name).join(table, table.c.directory == directories.c.id)
        for name in connection.scalars(open_.where(table.c.target == target, *of_one)):
            found.setdefault(name, Remains()).unanswered = True
    return found
