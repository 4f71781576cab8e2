"""Counts what a target holds of a directory according to its links. The guard compares a plan with these numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Mapping

from sqlalchemy import Connection, case, exists, func, select

from usersyncd.core.guard import Holdings, is_blank
from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.tables import link_members, links, records

BYTES_A_MEMBER = array("I").itemsize
PAGE = 5_000

_SIZE = func.length(link_members.c.members)


def holdings(
    connection: Connection, directory: int, target: int, attributes: Collection[tuple[Kind, str]] = ()
) -> Holdings:
    """The numbers of users, groups and memberships of a directory in a target, and of the records with a value for each
    of these attributes."""
    query = (
        select(links.c.kind, func.count(), func.sum(case((links.c.left_at.is_(None), links.c.active), else_=0)))
        .join(records, records.c.ref == links.c.ref)
        .where(links.c.target == target, records.c.directory == directory)
        .group_by(links.c.kind)
    )
    held = {KIND[kind]: (count, int(active)) for kind, count, active in connection.execute(query)}
    here = records.c.directory == directory
    edges = (
        select(
            func.sum(_SIZE + func.coalesce(func.length(link_members.c.unanswered), 0)),
            func.sum(case((_SIZE > 0, 1), else_=0)),
        )
        # With a join, SQLite looks for the groups among all records of the directory.
        .where(link_members.c.target == target, exists().where(records.c.ref == link_members.c.ref, here))
    )
    size, peopled = connection.execute(edges).one()
    users, active = held.get(Kind.USER, (0, 0))
    return Holdings(
        active,
        users,
        held.get(Kind.GROUP, (0, 0))[0],
        int(size or 0) // BYTES_A_MEMBER,
        int(peopled or 0),
        _filled(connection, directory, target, attributes),
    )


def _filled(
    connection: Connection, directory: int, target: int, attributes: Collection[tuple[Kind, str]]
) -> Mapping[tuple[Kind, str], int]:
    """How many records have a value for each of these attributes. Leavers are not counted."""
    counts = Counter[tuple[Kind, str]]()
    for kind in sorted({kind for kind, _ in attributes}):
        names = [name for other, name in attributes if other is kind]
        query = (
            select(links.c.shape)
            .join(records, records.c.ref == links.c.ref)
            .where(links.c.target == target, links.c.kind == NUMBER[kind], links.c.left_at.is_(None))
            .where(records.c.directory == directory)
        )
        for shape in map(decode, connection.scalars(query)):
            counts.update((kind, name) for name in names if not is_blank(shape.get(name)))
    return counts


def sizes(connection: Connection, target: int, groups: Collection[int]) -> dict[int, int]:
    """How many members each of these groups has in a target, by ref."""
    counts: dict[int, int] = {}
    for batch in batched(groups, PAGE):
        matches = link_members.c.target == target, among(connection, link_members.c.ref, batch)
        counts.update(
            (ref, size // BYTES_A_MEMBER)
            for ref, size in connection.execute(select(link_members.c.ref, _SIZE).where(*matches))
        )
    return counts
