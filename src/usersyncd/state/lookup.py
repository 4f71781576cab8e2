"""Looks up records by id, to show them to a person."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from usersyncd.plugin import Kind, Value
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.tables import directories, records


def attributes(connection: Connection, directory: str, kind: Kind, ids: Collection[str]) -> dict[str, dict[str, Value]]:
    """The native attributes of these records of a directory, by id. Records that the state has deleted are left out."""
    query = (
        select(records.c.id, records.c.attributes)
        .join(directories, directories.c.id == records.c.directory)
        .where(
            directories.c.name == directory,
            records.c.kind == NUMBER[kind],
            among(connection, records.c.id, list(ids)),
        )
    )
    return {id_: decode(text) for id_, text in connection.execute(query)}
