"""Reads the resources of a directory that pushes from the snapshot: by id, by handle or in their order, with their
members and groups."""

from __future__ import annotations

from array import array
from collections.abc import Collection

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, select

from usersyncd.core.digest import name, unpack
from usersyncd.plugin import Kind, Value
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.groups_by_name import groups_naming
from usersyncd.state.names import tokens
from usersyncd.state.tables import LISTED, directories, memberships, names, records

BATCH = 5_000
"""How many members are read at a time."""
NO_NAMES: array[int] = array("q")

_KIND = records.c.directory == bindparam("directory"), records.c.kind == bindparam("kind")
_RECORDS = (
    select(records.c.ref, records.c.id, records.c.attributes, memberships.c.digest)
    .outerjoin_from(records, memberships, memberships.c.ref == records.c.ref)
    .where(*_KIND, records.c.gone_at.is_(None))
)
_BY_ID = _RECORDS.where(one_of(records.c.id, "ids"))
_BY_REF = _RECORDS.where(one_of(records.c.ref, "refs")).order_by(records.c.ref)
_BY_NAME = (
    _RECORDS.add_columns(names.c.name, records.c.handles)
    .join(names, names.c.ref == records.c.ref)
    .where(names.c.directory == bindparam("directory"), one_of(names.c.name, "names"))
    .order_by(records.c.ref)
)
_LISTED_NAMES = select(memberships.c.ref, memberships.c.names, memberships.c.digest).where(
    one_of(memberships.c.ref, "refs")
)

_strings = msgspec.json.Decoder(list[str]).decode


class PushedRecord(Struct, frozen=True, gc=False):
    """A resource in the snapshot. ``attributes``: JSON. ``members``: the digest of a group's members; 0 for a user."""

    ref: int
    id: str
    attributes: str
    members: int


class PushedMember(Struct, frozen=True, gc=False):
    """A member of a group, or a group of a user. ``display``: its display name, if it has one."""

    id: str
    kind: Kind
    display: str | None


class ListedNames(Struct, frozen=True):
    """The names by which a group lists its members, sorted, with their digest."""

    names: array[int] = NO_NAMES
    digest: int = 0


class _Named(Struct, gc=False):
    display_name: Value = msgspec.field(default=None, name="displayName")


_named = msgspec.json.Decoder(_Named).decode


def by_id(connection: Connection, directory: int, kind: Kind, ids: Collection[str]) -> dict[str, PushedRecord]:
    """The resources with these ids. Unknown and deleted ones are left out."""
    rows = connection.execute(_BY_ID, {**_of_kind(directory, kind), "ids": ids})
    return {id_: PushedRecord(ref, id_, attributes, digest or 0) for ref, id_, attributes, digest in rows}


def by_handle(
    connection: Connection, directory: int, kind: Kind, handles: Collection[str]
) -> dict[str, list[PushedRecord]]:
    """The resources that have each of these handles, oldest first. Handles that no resource has are left out."""
    found: dict[str, list[PushedRecord]] = {}
    wanted = {name(handle): handle for handle in handles}
    rows = connection.execute(_BY_NAME, {**_of_kind(directory, kind), "names": wanted.keys()})
    for ref, id_, attributes, digest, number, texts in rows:
        handle = wanted[number]
        if handle in tokens(id_, texts):  # Two texts may have the same hash.
            found.setdefault(handle, []).append(PushedRecord(ref, id_, attributes, digest or 0))
    return found


def page(
    connection: Connection, directory: int, kind: Kind, count: int, *, after: int = 0, offset: int = 0
) -> list[PushedRecord]:
    """At most ``count`` resources that follow the ref ``after``, less the first ``offset``, ordered by ref."""
    following = select(records.c.ref).where(*_KIND, LISTED, records.c.ref > after)
    # Their refs first, from an index: to skip rows, a database reads them.
    of_kind = _of_kind(directory, kind)
    refs = connection.scalars(following.order_by(records.c.ref).limit(count).offset(offset), of_kind).all()
    rows = connection.execute(_BY_REF, {**of_kind, "refs": refs})
    return [PushedRecord(ref, id_, attributes, digest or 0) for ref, id_, attributes, digest in rows]


def count(connection: Connection, directory: int, kind: Kind) -> int:
    """How many resources of a kind the directory has."""
    column = directories.c.users if kind is Kind.USER else directories.c.groups
    return int(connection.scalar(select(column).where(directories.c.id == directory)) or 0)


def ref_of(connection: Connection, directory: int, kind: Kind, id_: str) -> int | None:
    """The ref of a resource, also of a deleted one as long as its row is kept."""
    query = select(records.c.ref).where(*_KIND, records.c.id == id_)
    return connection.scalar(query, _of_kind(directory, kind))


def members(connection: Connection, refs: Collection[int]) -> dict[int, list[PushedMember]]:
    """The members of these groups, by ref, ordered by the member's ref. A member that no resource has comes last, as a
    user."""
    query = select(memberships.c.ref, memberships.c.users, memberships.c.groups, memberships.c.unresolved)
    rows = connection.execute(query.where(among(connection, memberships.c.ref, list(refs)))).all()
    listed = {
        ref: (sorted([*unpack("I", users), *unpack("I", groups)]), _strings(unresolved or "[]"))
        for ref, users, groups, unresolved in rows
    }
    known = _as_members(connection, {ref for refs, _ in listed.values() for ref in refs})
    return {
        ref: [
            *(known[member] for member in refs if member in known),
            *(PushedMember(text, Kind.USER, None) for text in unresolved),
        ]
        for ref, (refs, unresolved) in listed.items()
    }


def groups(connection: Connection, directory: int, ids: Collection[str]) -> dict[str, list[PushedMember]]:
    """The direct groups of resources, by the id of the resource, ordered by the group's ref."""
    numbers = {name(id_): id_ for id_ in ids}
    naming = groups_naming(connection, directory, numbers)
    known = _as_members(connection, {ref for refs in naming.values() for ref in refs})
    return {numbers[number]: [known[ref] for ref in sorted(refs) if ref in known] for number, refs in naming.items()}


def listed_names(connection: Connection, refs: Collection[int]) -> dict[int, ListedNames]:
    """The names by which these groups list their members, by ref. Groups without members may be left out."""
    rows = connection.execute(_LISTED_NAMES, {"refs": refs}).all()
    return {ref: ListedNames(unpack("q", blob), digest) for ref, blob, digest in rows}


def _as_members(connection: Connection, refs: Collection[int]) -> dict[int, PushedMember]:
    query = select(records.c.ref, records.c.id, records.c.kind, records.c.attributes).where(records.c.gone_at.is_(None))
    return {
        ref: PushedMember(id_, KIND[kind], _display(attributes))
        for batch in batched(sorted(refs), BATCH)
        for ref, id_, kind, attributes in connection.execute(query.where(among(connection, records.c.ref, batch)))
    }


def _display(attributes: str) -> str | None:
    display = _named(attributes).display_name
    return display if isinstance(display, str) else None


def _of_kind(directory: int, kind: Kind) -> dict[str, int]:
    return {"directory": directory, "kind": NUMBER[kind]}
