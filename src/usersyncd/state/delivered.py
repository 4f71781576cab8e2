"""What a target has acknowledged that it holds, and how far it has been given what a directory said."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, and_, case, delete, false, func, not_, or_, select, update

from usersyncd.core.digest import pack, unpack
from usersyncd.core.guard import Holdings
from usersyncd.state import bulk
from usersyncd.state.database import Database, among
from usersyncd.state.tables import delivered, delivered_members, deliveries, records, retries

BYTES_A_MEMBER = array("I").itemsize


class Progress(Struct, frozen=True):
    """Up to which pull a target has been given everything, and by which rules (their fingerprint) it was shaped."""

    revision: int
    fingerprint: str


class Acknowledged(Struct, frozen=True, gc=False):
    """A record as the target holds it now. ``key`` and ``shape`` are JSON; ``left_at``: since when it is a leaver's;
    not ``sure``: it was given so, and the target has not answered yet."""

    ref: int
    kind: int
    key: str
    digest: int
    active: bool
    left_at: datetime | None
    shape: str
    sure: bool = True


class Membership(Struct):
    """Whom a target holds in one group: refs. ``given`` are those of whom it was told, and has not answered yet: they
    may be in it or not."""

    members: set[int]
    given: set[int]


def progress(connection: Connection, directory: int, target: str) -> Progress | None:
    """How far a target is; None when it never was given everything of this directory."""
    query = select(deliveries.c.revision, deliveries.c.fingerprint).where(
        deliveries.c.directory == directory, deliveries.c.target == target
    )
    row = connection.execute(query).one_or_none()
    return Progress(*row) if row else None


def distrust(connection: Connection, directory: int, rules: Mapping[str, str]) -> None:
    """Other targets, and these under other rules, were not asked what they depend on in this pull: should they come
    back, everything is shaped again."""
    followed = [and_(deliveries.c.target == target, deliveries.c.fingerprint == text) for target, text in rules.items()]
    others = not_(or_(false(), *followed))
    connection.execute(update(deliveries).where(deliveries.c.directory == directory, others).values(fingerprint=""))


def begin(database: Database, target: str, groups: Iterable[int]) -> None:
    """These groups will be given other members: should that be interrupted, they are looked at again."""
    with database.write() as connection:
        bulk.upsert(connection, retries, ("target", "ref"), ((target, ref) for ref in groups))


def finish(database: Database, directory: int, target: str, reached: Progress, again: Iterable[int]) -> None:
    """This target has been given everything up to a pull, but ``again``: what failed, and is to be tried again."""
    here = select(records.c.ref).where(records.c.ref == retries.c.ref, records.c.directory == directory)
    row = (directory, target, reached.revision, reached.fingerprint)
    with database.write() as connection:
        connection.execute(delete(retries).where(retries.c.target == target, here.exists()))
        bulk.insert(connection, retries, ("target", "ref"), [(target, ref) for ref in again])
        bulk.upsert(connection, deliveries, ("directory", "target", "revision", "fingerprint"), [row])


def acknowledge(connection: Connection, target: str, held: Iterable[Acknowledged], gone: list[int]) -> None:
    """Write what the target holds now, and forget what it holds no more."""
    columns = ("target", "ref", "kind", "key", "digest", "active", "left_at", "sure", "shape")
    rows = (
        (
            target, h.ref, h.kind, h.key, h.digest, int(h.active), h.left_at and h.left_at.isoformat(), int(h.sure),
            h.shape,
        )
        for h in held
    )  # fmt: skip
    bulk.upsert(connection, delivered, columns, rows)
    if gone:
        for table in (delivered, delivered_members):
            connection.execute(delete(table).where(table.c.target == target, among(connection, table.c.ref, gone)))


def trust(connection: Connection, target: str, refs: list[int], *, sure: bool) -> None:
    """The target has answered that it holds these records as they stand here; or it is about to be given others."""
    if refs:
        mine = delivered.c.target == target, among(connection, delivered.c.ref, refs)
        connection.execute(update(delivered).where(*mine).values(sure=int(sure)))


def members(connection: Connection, target: str, groups: list[int]) -> dict[int, Membership]:
    """Whom the target holds in these groups, as far as it was ever told of them."""
    query = select(delivered_members.c.ref, delivered_members.c.members, delivered_members.c.given).where(
        delivered_members.c.target == target, among(connection, delivered_members.c.ref, groups)
    )
    return {
        ref: Membership(set(unpack("I", held)), set(unpack("I", given)))
        for ref, held, given in connection.execute(query)
    }


def acknowledge_members(connection: Connection, target: str, groups: Mapping[int, Membership]) -> None:
    """Write whom the target holds in some groups now."""
    rows = ((target, ref, _packed(one.members), _packed(one.given) or None) for ref, one in groups.items())
    bulk.upsert(connection, delivered_members, ("target", "ref", "members", "given"), rows)


def _packed(refs: set[int]) -> bytes:
    return pack(array("I", sorted(refs)))


def holdings(database: Database, directory: int, target: str) -> Holdings:
    """How much of a directory a target holds."""
    with database.read() as connection:
        of_directory = and_(delivered.c.target == target, records.c.directory == directory)
        query = (
            select(
                delivered.c.kind,
                func.count(),
                func.sum(case((delivered.c.left_at.is_(None), delivered.c.active), else_=0)),
            )
            .join(records, records.c.ref == delivered.c.ref)
            .where(of_directory)
            .group_by(delivered.c.kind)
        )
        held = {kind: (count, int(active)) for kind, count, active in connection.execute(query)}
        given = func.length(delivered_members.c.given)
        edges = (
            select(func.sum(func.length(delivered_members.c.members) + func.coalesce(given, 0)))
            .join(records, records.c.ref == delivered_members.c.ref)
            .where(delivered_members.c.target == target, records.c.directory == directory)
        )
        count = int(connection.scalar(edges) or 0) // BYTES_A_MEMBER
    users, active = held.get(0, (0, 0))
    return Holdings(active=active, users=users, groups=held.get(1, (0, 0))[0], memberships=count)
