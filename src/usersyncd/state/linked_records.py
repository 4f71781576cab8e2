"""Reads the linked records of a directory, so that a verification can compare their objects with the links."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.links import Link, State
from usersyncd.plugin import Kind
from usersyncd.state import links
from usersyncd.state.bulk import batched
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.tables import links as links_table
from usersyncd.state.tables import records

PAGE = 5_000


class LinkedRecord(Struct, frozen=True, gc=False):
    """A record and its link, which has a target id."""

    ref: int
    id: str
    link: Link


def page(database: Database, target: int, directory: int, kind: Kind, after: int, size: int) -> list[LinkedRecord]:
    """The next ``size`` records of a directory whose links can be verified: those with a ref above ``after``."""
    columns = (
        links_table.c.shape, links_table.c.key, links_table.c.target_id, links_table.c.state, links_table.c.left_at,
    )  # fmt: skip
    query = (
        select(links_table.c.ref, records.c.id, *columns)
        .join(records, records.c.ref == links_table.c.ref)
        .where(
            links_table.c.target == target,
            links_table.c.kind == NUMBER[kind],
            links_table.c.ref > after,
            links_table.c.target_id.is_not(None),
            links_table.c.state != State.PENDING,
            records.c.directory == directory,
        )
        .order_by(links_table.c.ref)
        .limit(size)
    )
    with database.read() as connection:
        return [LinkedRecord(ref, id_, links.link_of(*rest)) for ref, id_, *rest in connection.execute(query)]


def refs_of(
    connection: Connection, target: int, directory: int, kind: Kind, target_ids: Collection[str]
) -> Iterator[tuple[str, int]]:
    """The records of a directory that are linked to these objects: target id and ref."""
    query = (
        select(links_table.c.target_id, links_table.c.ref)
        .join(records, records.c.ref == links_table.c.ref)
        .where(links_table.c.target == target, links_table.c.kind == NUMBER[kind], records.c.directory == directory)
    )
    for batch in batched(target_ids, PAGE):
        rows = connection.execute(query.where(among(connection, links_table.c.target_id, batch)))
        yield from ((target_id, ref) for target_id, ref in rows)
