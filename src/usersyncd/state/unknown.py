"""Restores links to objects of a directory that the state does not know, because it was restored from an older
backup."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from msgspec import structs
from sqlalchemy import Connection, select

from usersyncd.core.digest import names, names_digest, wrapped
from usersyncd.plugin import Kind
from usersyncd.state import bulk, links, progress_store, verifications
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.directories import DirectoryState
from usersyncd.state.records import reserve
from usersyncd.state.tables import links as links_table
from usersyncd.state.tables import records

_COLUMNS = ("ref", "directory", "kind", "id", "digest", "attributes", "revision", "gone_at")


def linked_ids(database: Database, target: int, directory: int, kind: Kind) -> tuple[int, int]:
    """How many records of a directory are linked, and the digest of their ids."""
    # Not a join: indexes answer both queries, without a row of either table.
    linked = select(links_table.c.ref).where(links_table.c.target == target, links_table.c.kind == NUMBER[kind])
    query = select(records.c.id).where(
        records.c.directory == directory, records.c.kind == NUMBER[kind], records.c.ref.in_(linked)
    )
    count = digest = 0
    with database.read() as connection:
        for page in connection.execute(query, execution_options={"yield_per": links.PAGE}).scalars().partitions():
            count += len(page)
            digest += names_digest(names(page))
    return count, wrapped(digest)


def link(
    database: Database, target: int, directory: DirectoryState, kind: Kind, rows: Sequence[tuple[str, links.Row]]
) -> None:
    """Link the unknown ones of these objects to deleted records: objects that have no link, and whose records the
    directory does not have. Then the next plan removes them as it does for any deleted record.

    ``rows``: each record's id, and its link without a ref. The next run also has to verify the target, because other
    changes since the backup are unknown.
    """
    with database.read() as connection:
        unknown = _unknown(connection, target, directory.id, kind, dict(rows))
    if not unknown:
        return
    # Before the links are written: if this is interrupted, the verification of the next run finds the rest.
    verifications.want(database, directory.id, target)
    first = reserve(database, len(unknown))
    now = datetime.now(UTC).isoformat()
    with database.write() as connection:
        deleted = _deleted(connection, directory.id, kind, unknown)
        refs = {id_: deleted.get(id_, first + place) for place, id_ in enumerate(unknown)}
        new = [
            (refs[id_], directory.id, NUMBER[kind], id_, 0, "{}", directory.revision, now)
            for id_ in unknown
            if id_ not in deleted
        ]
        bulk.insert(connection, records, _COLUMNS, new)
        links.write(connection, target, [structs.replace(row, ref=refs[id_]) for id_, row in unknown.items()])
        progress_store.retry(connection, target, refs.values())


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


def _deleted(connection: Connection, directory: int, kind: Kind, ids: Collection[str]) -> dict[str, int]:
    """The refs of the deleted records with these ids that still have a row, by id."""
    query = select(records.c.id, records.c.ref).where(
        records.c.directory == directory, records.c.kind == NUMBER[kind], among(connection, records.c.id, list(ids))
    )
    return {id_: ref for id_, ref in connection.execute(query)}  # noqa: C416 - rows, not pairs
