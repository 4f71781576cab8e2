"""Looks up in the snapshot the records that a pull lists."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from usersyncd.plugin import Kind
from usersyncd.state.columns import NUMBER
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.tables import memberships, records

Body = tuple[str | None, str | None]
"""Attributes and handles in JSON. Attributes None: the directory deleted the record."""

_KNOWN = select(records.c.id, records.c.ref, records.c.digest, records.c.gone_at).where(
    records.c.directory == bindparam("directory"), records.c.kind == bindparam("kind"), one_of(records.c.id, "ids")
)

_KNOWN_GROUPS = (
    select(records.c.id, records.c.ref, memberships.c.digest, memberships.c.count)
    .outerjoin(memberships, memberships.c.ref == records.c.ref)
    .where(
        records.c.directory == bindparam("directory"),
        records.c.kind == NUMBER[Kind.GROUP],
        records.c.gone_at.is_(None),
        one_of(records.c.id, "ids"),
    )
)


class KnownRecord(Struct, frozen=True, gc=False):
    """A record of the snapshot. ``gone``: it was deleted in its directory."""

    ref: int
    digest: int
    gone: bool


class KnownGroup(Struct, frozen=True, gc=False):
    """A group of the snapshot that its directory has. ``digest``: that of its members' names; None if no members are
    stored."""

    ref: int
    digest: int | None
    count: int


def known_records(connection: Connection, directory: int, kind: Kind, ids: list[str]) -> dict[str, KnownRecord]:
    """The records with these ids that the snapshot has, by id."""
    rows = connection.execute(_KNOWN, {"directory": directory, "kind": NUMBER[kind], "ids": ids}).all()
    return {id_: KnownRecord(ref, fingerprint, gone_at is not None) for id_, ref, fingerprint, gone_at in rows}


def known_groups(connection: Connection, directory: int, ids: list[str]) -> dict[str, KnownGroup]:
    """The groups with these ids that the snapshot has and the directory did not delete, by id."""
    rows = connection.execute(_KNOWN_GROUPS, {"directory": directory, "ids": ids})
    return {id_: KnownGroup(ref, digest, count or 0) for id_, ref, digest, count in rows}


def bodies(connection: Connection, refs: list[int]) -> dict[int, Body]:
    """The attributes and handles of these records, by ref."""
    query = select(records.c.ref, records.c.attributes, records.c.handles).where(among(connection, records.c.ref, refs))
    return {ref: (attributes, handles) for ref, attributes, handles in connection.execute(query).all()}
