"""Links to objects whose records nobody knows any more: the state was restored from an older backup."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from msgspec import structs
from sqlalchemy import Connection, func, select

from usersyncd.core.digest import names, names_digest, wrapped
from usersyncd.plugin import Kind
from usersyncd.state import bulk, links, verifications
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.directories import DirectoryState
from usersyncd.state.records import reserve
from usersyncd.state.tables import links as links_table
from usersyncd.state.tables import records

_COLUMNS = ("ref", "directory", "kind", "id", "digest", "attributes", "revision", "gone_at")


def count_links(database: Database, target: int, directory: int, kind: Kind) -> int:
    """How many records of a directory are linked."""
    mine = select(records.c.ref).where(records.c.directory == directory, records.c.kind == NUMBER[kind])
    query = select(func.count()).where(
        links_table.c.target == target, links_table.c.kind == NUMBER[kind], links_table.c.ref.in_(mine)
    )
    with database.read() as connection:
        return int(connection.scalar(query) or 0)


def digest_links(database: Database, target: int, directory: int, kind: Kind) -> int:
    """The digest of the ids of the records that are linked."""
    query = (
        select(records.c.id)
        .join(links_table, links_table.c.ref == records.c.ref)
        .where(links_table.c.target == target, records.c.directory == directory, records.c.kind == NUMBER[kind])
    )
    with database.read() as connection:
        pages = connection.execute(query, execution_options={"yield_per": links.PAGE}).scalars().partitions()
        return wrapped(sum(names_digest(names(page)) for page in pages))


def link(
    database: Database, target: int, directory: DirectoryState, kind: Kind, rows: Sequence[tuple[str, links.Row]]
) -> None:
    """Of these objects, link those that are linked to nobody, and whose records the directory does not have: to records
    that are gone. ``rows``: each record's id, and its link without a ref. The next verification is wanted: what else
    changed since the backup is not known."""
    with database.read() as connection:
        found = _unknown(connection, target, directory.id, kind, dict(rows))
    if not found:
        return
    # Before the links: when it is interrupted, the next run finds the rest.
    verifications.want(database, directory.id, target)
    first = reserve(database, len(found))
    now = datetime.now(UTC).isoformat()
    with database.write() as connection:
        gone = _gone(connection, directory.id, kind, found)
        refs = {id_: gone.get(id_, first + place) for place, id_ in enumerate(found)}
        made = [
            (refs[id_], directory.id, NUMBER[kind], id_, 0, "{}", directory.revision, now)
            for id_ in found
            if id_ not in gone
        ]
        bulk.insert(connection, records, _COLUMNS, made)
        links.write(connection, target, [structs.replace(row, ref=refs[id_]) for id_, row in found.items()])
        links.retry(connection, target, refs.values())


def _unknown(
    connection: Connection, target: int, directory: int, kind: Kind, rows: dict[str, links.Row]
) -> dict[str, links.Row]:
    linked = links.linked(connection, target, kind, [row.target_id for row in rows.values() if row.target_id])
    query = select(records.c.id).where(
        records.c.directory == directory,
        records.c.kind == NUMBER[kind],
        records.c.gone_at.is_(None),
        among(connection, records.c.id, list(rows)),
    )
    here = set(connection.scalars(query))
    return {id_: row for id_, row in rows.items() if row.target_id not in linked and id_ not in here}


def _gone(connection: Connection, directory: int, kind: Kind, ids: Collection[str]) -> dict[str, int]:
    """The refs of those of these records that are still known, though gone."""
    query = select(records.c.id, records.c.ref).where(
        records.c.directory == directory, records.c.kind == NUMBER[kind], among(connection, records.c.id, list(ids))
    )
    return {id_: ref for id_, ref in connection.execute(query)}  # noqa: C416 - rows, not pairs
