"""Looks up in the snapshot the records that a pull lists."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from usersyncd.plugin import Kind
from usersyncd.state.columns import NUMBER
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.tables import records

Body = tuple[str | None, str | None]
"""Attributes and handles in JSON. Attributes None: the directory deleted the record."""

_KNOWN = select(records.c.id, records.c.ref, records.c.digest, records.c.gone_at).where(
    records.c.directory == bindparam("directory"), records.c.kind == bindparam("kind"), one_of(records.c.id, "ids")
)


class KnownRecord(Struct, frozen=True, gc=False):
    """A record of the snapshot. ``gone``: it was deleted in its directory."""

    ref: int
    digest: int
    gone: bool


def known_records(connection: Connection, directory: int, kind: Kind, ids: list[str]) -> dict[str, KnownRecord]:
    """The records with these ids that the snapshot has, by id."""
    rows = connection.execute(_KNOWN, {"directory": directory, "kind": NUMBER[kind], "ids": ids}).all()
    return {id_: KnownRecord(ref, fingerprint, gone_at is not None) for id_, ref, fingerprint, gone_at in rows}


def bodies(connection: Connection, refs: list[int]) -> dict[int, Body]:
    """The attributes and handles of these records, by ref."""
    query = select(records.c.ref, records.c.attributes, records.c.handles).where(among(connection, records.c.ref, refs))
    return {ref: (attributes, handles) for ref, attributes, handles in connection.execute(query).all()}
