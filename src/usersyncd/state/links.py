"""Stores the links of a target."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, delete, func, or_, select

from usersyncd.core.digest import digest, digests, encode
from usersyncd.core.links import Link, Shape, State
from usersyncd.plugin import Kind, Lookup, Member
from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.held_members import replace_members
from usersyncd.state.planned import is_active
from usersyncd.state.tables import directories, link_members, links, records, retries, target_progress

PAGE = 5_000

_COLUMNS = ("target", "ref", "kind", "key", "digest", "active", "state", "left_at", "target_id", "shape")


class Row(Struct, frozen=True, gc=False):
    """A link as a row of the table. ``key`` and ``shape`` are JSON."""

    ref: int
    kind: Kind
    key: str
    digest: int
    active: bool
    state: State
    left_at: datetime | None
    target_id: str | None
    shape: str


class Owner(Struct, frozen=True, gc=False):
    """A linked record that has a key or an object.

    ``left``: it is a leaver. ``revision``: the last pull that changed or deleted the record. ``here``: its directory
    has the record. ``due``: it changed or failed since the last complete delivery of its directory.
    """

    ref: int
    id: str
    directory: str
    left: bool
    key: str | int
    target_id: str | None
    revision: int
    here: bool
    due: bool


def row(ref: int, kind: Kind, link: Link) -> Row:
    """The row of the table for a link."""
    text = encode(link.shape)
    active = is_active(link.shape)
    key = encode(link.key).decode()
    return Row(ref, kind, key, digest(text), active, link.state, link.left_at, link.target_id, text.decode())


def add(
    connection: Connection,
    target: int,
    kinds: Iterable[Kind],
    refs: Iterable[int],
    keys: Iterable[str],
    shapes: Sequence[str],
    active: Iterable[int],
    target_ids: Iterable[str | None],
) -> None:
    """Insert confirmed links of records that have no link. ``keys`` and ``shapes`` are JSON; ``active``: whether each
    object has access."""
    rows = zip(
        repeat(target), refs, map(NUMBER.__getitem__, kinds), keys, digests(shapes), active,
        repeat(int(State.CONFIRMED)), repeat(None), target_ids, shapes,
    )  # fmt: skip
    bulk.insert(connection, links, _COLUMNS, rows)


def write(connection: Connection, target: int, rows: Iterable[Row]) -> None:
    """Insert or replace links."""
    bulk.upsert(connection, links, _COLUMNS, (_values(target, row) for row in rows))


def _values(target: int, row: Row) -> bulk.Row:
    left_at = row.left_at and row.left_at.isoformat()
    return (
        target, row.ref, NUMBER[row.kind], row.key, row.digest, int(row.active), int(row.state), left_at,
        row.target_id, row.shape,
    )  # fmt: skip


def end(connection: Connection, target: int, refs: Collection[int]) -> None:
    """Delete links and memberships of records whose objects do not exist any more."""
    forget(connection, target, refs)
    for batch in batched(refs, PAGE):
        matches = link_members.c.target == target, among(connection, link_members.c.ref, batch)
        connection.execute(delete(link_members).where(*matches))
    replace_members(connection, target, dict.fromkeys(refs))


def forget(connection: Connection, target: int, refs: Collection[int]) -> None:
    """Delete the links of records whose objects are linked to other records now."""
    for batch in batched(refs, PAGE):
        matches = links.c.target == target, among(connection, links.c.ref, batch)
        connection.execute(delete(links).where(*matches))


def known(connection: Connection, target: int, refs: Collection[int]) -> dict[int, Link]:
    """The links of these records, by ref."""
    query = select(links.c.ref, links.c.shape, links.c.key, links.c.target_id, links.c.state, links.c.left_at)
    stored: dict[int, Link] = {}
    for batch in batched(refs, PAGE):
        matches = links.c.target == target, among(connection, links.c.ref, batch)
        for ref, *rest in connection.execute(query.where(*matches)):
            stored[ref] = link_of(*rest)
    return stored


def link_of(shape: str, key: str, target_id: str | None, state: int, left_at: str | None) -> Link:
    """The link that these columns of its row describe."""
    when = datetime.fromisoformat(left_at) if left_at else None
    return Link(_shape(shape), msgspec.json.decode(key), target_id, State(state), when)


def left_until(connection: Connection, target: int, directory: int, last: datetime) -> set[int]:
    """The refs of the leavers of a directory that left until ``last`` and whose objects are kept."""
    query = select(links.c.ref).join(records, records.c.ref == links.c.ref)
    matches = links.c.target == target, records.c.directory == directory, links.c.left_at <= last.isoformat()
    return set(connection.scalars(query.where(*matches)))


def _shape(text: str) -> Shape:
    return decode(text)


def members(connection: Connection, target: int, refs: Collection[int]) -> Iterator[tuple[int, Member]]:
    """The objects of these records as members, each with its ref."""
    query = select(links.c.ref, links.c.kind, records.c.id, links.c.key, links.c.target_id).join(
        records, records.c.ref == links.c.ref
    )
    for batch in batched(refs, PAGE):
        matches = links.c.target == target, among(connection, links.c.ref, batch)
        for ref, kind, id_, key, target_id in connection.execute(query.where(*matches)):
            yield ref, member(KIND[kind], id_, msgspec.json.decode(key), target_id)


def member(kind: Kind, id_: str, key: str | int, target_id: str | None) -> Member:
    """An object as a member."""
    return Member(kind, id_, id_ if key == id_ else key, target_id)  # Shares one text if id and key are equal.


def linked(connection: Connection, target: int, kind: Kind, target_ids: Collection[str]) -> dict[str, int]:
    """The refs of the records that are linked to these objects, by target id."""
    return dict(_linked(connection, target, kind, target_ids))


def sharing(connection: Connection, target: int, rows: Iterable[tuple[Kind, int, str | None]]) -> set[int]:
    """The refs of other records that are linked to these objects: kind, ref and target id of each."""
    refs: set[int] = set()
    objects: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for kind, ref, target_id in rows:
        refs.add(ref)
        if target_id is not None:
            objects[kind].append(target_id)
    found = (_linked(connection, target, kind, target_ids) for kind, target_ids in objects.items())
    return {ref for some in found for _, ref in some} - refs


def _linked(connection: Connection, target: int, kind: Kind, target_ids: Collection[str]) -> Iterator[tuple[str, int]]:
    query = select(links.c.target_id, links.c.ref).where(links.c.target == target, links.c.kind == NUMBER[kind])
    for batch in batched(target_ids, PAGE):
        rows = connection.execute(query.where(among(connection, links.c.target_id, batch)))
        yield from ((target_id, ref) for target_id, ref in rows)


def owners(
    connection: Connection,
    target: int,
    kind: Kind,
    directory: int | None,
    keys: Collection[str | int],
    target_ids: Collection[str],
) -> list[Owner]:
    """The linked records that have one of these keys or objects. ``directory``: only records of this directory."""
    query = (
        select(
            links.c.ref, records.c.id, directories.c.name, links.c.left_at, links.c.key, links.c.target_id,
            records.c.revision, records.c.gone_at.is_(None),
            or_(retries.c.ref.is_not(None), records.c.revision > func.coalesce(target_progress.c.revision, -1)),
        )
        .join(records, records.c.ref == links.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .outerjoin(
            target_progress, and_(target_progress.c.directory == directories.c.id, target_progress.c.target == target)
        )
        .outerjoin(retries, and_(retries.c.ref == links.c.ref, retries.c.target == target))
        .where(links.c.target == target, links.c.kind == NUMBER[kind])
    )  # fmt: skip
    if directory is not None:
        query = query.where(records.c.directory == directory)
    asked = links.alias()
    refs = select(asked.c.ref).where(asked.c.target == target, asked.c.kind == NUMBER[kind])
    lookups = (asked.c.key, [encode(key).decode() for key in keys]), (asked.c.target_id, list(target_ids))
    return [
        Owner(ref, id_, name, left_at is not None, msgspec.json.decode(key), target_id, revision, here, due)
        for column, values in lookups
        if values
        for ref, id_, name, left_at, key, target_id, revision, here, due in connection.execute(
            query.where(links.c.ref.in_(refs.where(among(connection, column, values))))
        )
    ]


def unlinked(
    connection: Connection, target: int, kind: Kind, directory: int | None = None
) -> Iterator[tuple[int, Lookup]]:
    """The refs of the records whose links have no target id, each with a lookup of its object. ``directory``: only
    records of this directory."""
    # A subquery that the index on target ids answers: joined to the records, all links would be read.
    asked = links.alias()
    refs = select(asked.c.ref).where(
        asked.c.target == target, asked.c.kind == NUMBER[kind], asked.c.target_id.is_(None)
    )
    query = (
        select(links.c.ref, directories.c.name, records.c.id, links.c.key)
        .join(records, records.c.ref == links.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .where(links.c.target == target, links.c.ref.in_(refs))
        .order_by(links.c.ref)
    )
    if directory is not None:
        query = query.where(records.c.directory == directory)
    for ref, name, id_, key in connection.execute(query):
        yield ref, Lookup(name, id_, msgspec.json.decode(key))


def earlier(connection: Connection, target: int, kind: Kind, attribute: str) -> Iterator[Lookup]:
    """Lookups for the links without a target id: by key, and by the new key if the change of the key was not answered.
    ``attribute``: the name of the key attribute."""
    by_key = list(unlinked(connection, target, kind))
    keys = {lookup.key for _, lookup in by_key}
    stored = known(connection, target, [ref for ref, _ in by_key])
    for ref, lookup in by_key:
        yield lookup
        new_key = stored[ref].shape.get(attribute)
        if stored[ref].state is State.PENDING and isinstance(new_key, str | int) and new_key not in keys:
            yield Lookup(lookup.directory, lookup.id, new_key)


def sample(connection: Connection, target: int, kind: Kind, limit: int) -> dict[str, str]:
    """Up to ``limit`` links of a kind: target id → key as text."""
    query = select(links.c.target_id, links.c.key).where(
        links.c.target == target, links.c.kind == NUMBER[kind], links.c.target_id.is_not(None)
    )
    return {target_id: str(msgspec.json.decode(key)) for target_id, key in connection.execute(query.limit(limit))}
