"""Stores the links of a target, the members of its groups, and the progress of its target_progress."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, not_, or_, select, update

from usersyncd.core.digest import digest, encode, pack, unpack
from usersyncd.core.links import LEAVING, Link, Shape, State
from usersyncd.plugin import Kind, Lookup
from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.columns import NUMBER, decode
from usersyncd.state.database import among
from usersyncd.state.tables import directories, link_members, links, records, retries, target_names, target_progress

PAGE = 5_000
NOTHING = -1
"""The revision of a target to which no delivery was completed yet."""

_COLUMNS = ("target", "ref", "kind", "key", "digest", "active", "state", "left_at", "target_id", "shape")


class TargetProgress(Struct, frozen=True):
    """The last pull that was delivered to a target completely, and the fingerprint of the rules that shaped it."""

    revision: int
    fingerprint: str


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


class Membership(Struct):
    """The members of one group in a target, as refs. ``unanswered``: members whose addition or removal was not
    answered, so that they may be in the group or not."""

    members: set[int]
    unanswered: set[int]


class Owner(Struct, frozen=True, gc=False):
    """A record with a key and an object.

    ``left``: the person left. ``revision``: the last pull that changed the record, or in which it left. ``here``: it is
    in its directory. ``due``: it changed or failed since the last complete delivery of its directory.
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
    """A link of a record, as a row of the table."""
    text = encode(link.shape)
    active = link.shape.get("active") is not False
    key = encode(link.key).decode()
    return Row(ref, kind, key, digest(text), active, link.state, link.left_at, link.target_id, text.decode())


# ---- how far a target is


def progress(connection: Connection, directory: int, target: int) -> TargetProgress | None:
    """The progress of a target; None if this directory was never delivered completely."""
    query = select(target_progress.c.revision, target_progress.c.fingerprint).where(
        target_progress.c.directory == directory, target_progress.c.target == target
    )
    found = connection.execute(query).one_or_none()
    return TargetProgress(*found) if found and found.revision != NOTHING else None


def delivered(connection: Connection, target: int) -> list[str]:
    """The names of the directories of which something was, or may have been, delivered to a target."""
    query = select(directories.c.name).join(target_progress, target_progress.c.directory == directories.c.id)
    return list(connection.scalars(query.where(target_progress.c.target == target).order_by(directories.c.name)))


def begin(connection: Connection, directory: int, target: int, fingerprint: str) -> None:
    """Note that a delivery by these rules is under way.

    If it is the first one, what the directory forgets meanwhile may get an object yet. If the rules are others than
    before and the delivery does not end, some objects have the new shapes: whatever comes next compares all of them.
    """
    done = progress(connection, directory, target)
    if done is None or done.fingerprint != fingerprint:
        row = directory, target, NOTHING if done is None else done.revision, ""
        bulk.upsert(connection, target_progress, ("directory", "target", "revision", "fingerprint"), [row])


def distrust(connection: Connection, directory: int, rules: Mapping[str, str]) -> None:
    """Clear the fingerprint of targets that ``rules`` (name → fingerprint) does not contain.

    This pull did not track what they depend on. If they are configured again, every record is shaped again.
    """
    followed: list[ColumnElement[bool]] = [target_progress.c.fingerprint == LEAVING]
    followed += [
        and_(
            target_progress.c.target.in_(select(target_names.c.target).where(target_names.c.name == name)),
            target_progress.c.fingerprint == text,
        )
        for name, text in rules.items()
    ]
    others = not_(or_(*followed))
    connection.execute(
        update(target_progress).where(target_progress.c.directory == directory, others).values(fingerprint="")
    )


def retry(connection: Connection, target: int, refs: Iterable[int]) -> None:
    """Mark records for the next plan."""
    bulk.upsert(connection, retries, ("target", "ref"), ((target, ref) for ref in refs))


def retried(connection: Connection, directory: int, target: int) -> set[int]:
    """The refs of the records of a directory that the last plan marked for the next one."""
    mine = retries.c.target == target, records.c.directory == directory
    return set(connection.scalars(select(retries.c.ref).join(records, records.c.ref == retries.c.ref).where(*mine)))


def finish(connection: Connection, target: int, reached: Mapping[int, TargetProgress], again: Iterable[int]) -> None:
    """Store that a target was given everything of these directories up to a revision, except ``again``: refs that
    failed."""
    here = select(records.c.ref).where(records.c.ref == retries.c.ref, records.c.directory.in_(list(reached)))
    done = [(directory, target, one.revision, one.fingerprint) for directory, one in reached.items()]
    connection.execute(delete(retries).where(retries.c.target == target, here.exists()))
    retry(connection, target, again)
    bulk.upsert(connection, target_progress, ("directory", "target", "revision", "fingerprint"), done)


# ---- links


def add(connection: Connection, target: int, rows: Iterable[Row]) -> None:
    """Insert links of records that have none."""
    bulk.insert(connection, links, _COLUMNS, (_values(target, one) for one in rows))


def write(connection: Connection, target: int, rows: Iterable[Row]) -> None:
    """Insert or replace links."""
    bulk.upsert(connection, links, _COLUMNS, (_values(target, one) for one in rows))


def _values(target: int, one: Row) -> bulk.Row:
    left_at = one.left_at and one.left_at.isoformat()
    return (
        target, one.ref, NUMBER[one.kind], one.key, one.digest, int(one.active), int(one.state), left_at,
        one.target_id, one.shape,
    )  # fmt: skip


def end(connection: Connection, target: int, refs: Collection[int]) -> None:
    """Delete the links of records whose objects do not exist any more, and their memberships."""
    forget(connection, target, refs)
    for some in batched(refs, PAGE):
        mine = link_members.c.target == target, among(connection, link_members.c.ref, some)
        connection.execute(delete(link_members).where(*mine))
    replace_members(connection, target, dict.fromkeys(refs))


def forget(connection: Connection, target: int, refs: Collection[int]) -> None:
    """Delete the links of records whose objects are linked to other records now."""
    for some in batched(refs, PAGE):
        mine = links.c.target == target, among(connection, links.c.ref, some)
        connection.execute(delete(links).where(*mine))


def known(connection: Connection, target: int, refs: Collection[int]) -> dict[int, Link]:
    """The links of these records, by ref."""
    query = select(links.c.ref, links.c.shape, links.c.key, links.c.target_id, links.c.state, links.c.left_at)
    found: dict[int, Link] = {}
    for some in batched(refs, PAGE):
        mine = links.c.target == target, among(connection, links.c.ref, some)
        for ref, *rest in connection.execute(query.where(*mine)):
            found[ref] = link_of(*rest)
    return found


def link_of(shape: str, key: str, target_id: str | None, state: int, left_at: str | None) -> Link:
    """A link from the columns of its row."""
    when = datetime.fromisoformat(left_at) if left_at else None
    return Link(_shape(shape), msgspec.json.decode(key), target_id, State(state), when)


def left_until(connection: Connection, target: int, directory: int, last: datetime) -> set[int]:
    """The refs of the records of a directory whose people left until ``last`` and whose objects are kept."""
    query = select(links.c.ref).join(records, records.c.ref == links.c.ref)
    mine = links.c.target == target, records.c.directory == directory, links.c.left_at <= last.isoformat()
    return set(connection.scalars(query.where(*mine)))


def _shape(text: str) -> Shape:
    return decode(text)


def addresses(
    connection: Connection, target: int, refs: Collection[int]
) -> Iterator[tuple[int, str | int, str | None]]:
    """The addresses of the objects of these records: ref, key and target id."""
    query = select(links.c.ref, links.c.key, links.c.target_id)
    for some in batched(refs, PAGE):
        mine = links.c.target == target, among(connection, links.c.ref, some)
        for ref, key, target_id in connection.execute(query.where(*mine)):
            yield ref, msgspec.json.decode(key), target_id


def linked(connection: Connection, target: int, kind: Kind, target_ids: Collection[str]) -> dict[str, int]:
    """Target id -> ref of the record that is linked to the object."""
    return dict(_linked(connection, target, kind, target_ids))


def sharing(connection: Connection, target: int, rows: Sequence[Row]) -> set[int]:
    """The refs of other records that are linked to the objects of these links."""
    mine = {row.ref for row in rows}
    found: set[int] = set()
    for kind in Kind:
        target_ids = [row.target_id for row in rows if row.kind is kind and row.target_id is not None]
        found.update(ref for _, ref in _linked(connection, target, kind, target_ids) if ref not in mine)
    return found


def _linked(connection: Connection, target: int, kind: Kind, target_ids: Collection[str]) -> Iterator[tuple[str, int]]:
    query = select(links.c.target_id, links.c.ref).where(links.c.target == target, links.c.kind == NUMBER[kind])
    for some in batched(target_ids, PAGE):
        rows = connection.execute(query.where(among(connection, links.c.target_id, some)))
        yield from ((target_id, ref) for target_id, ref in rows)


def owners(
    connection: Connection,
    target: int,
    kind: Kind,
    directory: int | None,
    keys: Collection[str | int],
    target_ids: Collection[str],
) -> list[Owner]:
    """The records that have one of these keys or objects. ``directory``: of this one only."""
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
    mine = select(asked.c.ref).where(asked.c.target == target, asked.c.kind == NUMBER[kind])
    wanted = (asked.c.key, [encode(key).decode() for key in keys]), (asked.c.target_id, list(target_ids))
    return [
        Owner(ref, id_, name, left_at is not None, msgspec.json.decode(key), target_id, revision, here, due)
        for column, values in wanted
        if values
        for ref, id_, name, left_at, key, target_id, revision, here, due in connection.execute(
            query.where(links.c.ref.in_(mine.where(among(connection, column, values))))
        )
    ]


def unlinked(
    connection: Connection, target: int, kind: Kind, directory: int | None = None
) -> Iterator[tuple[int, Lookup]]:
    """The records whose links have no target id, with their refs. ``directory``: of this one only."""
    query = (
        select(links.c.ref, directories.c.name, records.c.id, links.c.key)
        .join(records, records.c.ref == links.c.ref)
        .join(directories, directories.c.id == records.c.directory)
        .where(links.c.target == target, links.c.kind == NUMBER[kind], links.c.target_id.is_(None))
        .order_by(links.c.ref)
    )
    if directory is not None:
        query = query.where(records.c.directory == directory)
    for ref, name, id_, key in connection.execute(query):
        yield ref, Lookup(name, id_, msgspec.json.decode(key))


def earlier(connection: Connection, target: int, kind: Kind, attribute: str) -> Iterator[Lookup]:
    """Lookups for the links without a target id: by key, and by the new key if its change was not answered.
    ``attribute``: the name of the key."""
    found = list(unlinked(connection, target, kind))
    held = {lookup.key for _, lookup in found}
    linked_ = known(connection, target, [ref for ref, _ in found])
    for ref, lookup in found:
        yield lookup
        key = linked_[ref].shape.get(attribute)
        if linked_[ref].state is State.PENDING and isinstance(key, str | int) and key not in held:
            yield Lookup(lookup.directory, lookup.id, key)


def sample(connection: Connection, target: int, kind: Kind, limit: int) -> dict[str, str]:
    """The target ids of up to ``limit`` links, each with the key of its object as text."""
    query = select(links.c.target_id, links.c.key).where(
        links.c.target == target, links.c.kind == NUMBER[kind], links.c.target_id.is_not(None)
    )
    return {target_id: str(msgspec.json.decode(key)) for target_id, key in connection.execute(query.limit(limit))}


# ---- memberships


def members(connection: Connection, target: int, groups: Collection[int]) -> dict[int, Membership]:
    """The members of these groups in the target, by ref of the group."""
    query = select(link_members.c.ref, link_members.c.members, link_members.c.unanswered).where(
        link_members.c.target == target, among(connection, link_members.c.ref, list(groups))
    )
    return {
        ref: Membership(set(unpack("I", held)), set(unpack("I", open_)))
        for ref, held, open_ in connection.execute(query)
    }


def write_members(connection: Connection, target: int, groups: Mapping[int, Membership]) -> None:
    """Store the members of groups."""
    rows = ((target, ref, packed(one.members), packed(one.unanswered) or None) for ref, one in groups.items())
    bulk.upsert(connection, link_members, ("target", "ref", "members", "unanswered"), rows)


def replace_members(connection: Connection, target: int, refs: Mapping[int, int | None]) -> None:
    """Replace each of these records by another one in every group; None removes it. A replaced group passes its members
    on."""
    if not refs:
        return
    moved = {ref: other for ref, other in refs.items() if other is not None}
    for ref, other in moved.items():
        mine = link_members.c.target == target
        connection.execute(delete(link_members).where(mine, link_members.c.ref == other))
        connection.execute(update(link_members).where(mine, link_members.c.ref == ref).values(ref=other))
    changed = {
        group: Membership(*({refs.get(ref, ref) for ref in some} - {None} for some in (one.members, one.unanswered)))  # type: ignore[arg-type]
        for group, one in with_members(connection, target, refs.keys()).items()
    }
    write_members(connection, target, changed)


def with_members(connection: Connection, target: int, refs: Set[int]) -> dict[int, Membership]:
    """The groups of the target in which one of these records is, or may be."""
    query = select(link_members.c.ref, link_members.c.members, link_members.c.unanswered)
    found: dict[int, Membership] = {}
    for group, held, open_ in connection.execute(query.where(link_members.c.target == target)):
        both = unpack("I", held), unpack("I", open_)
        if any(not refs.isdisjoint(some) for some in both):
            found[group] = Membership(*map(set, both))
    return found


def packed(refs: set[int]) -> bytes:
    """Refs as the tables hold them."""
    return pack(array("I", sorted(refs)))
