"""What a target has acknowledged that it holds, and how far it has been given what a directory said."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, and_, case, delete, func, select

from usersyncd.core.digest import unpack
from usersyncd.core.guard import Holdings
from usersyncd.state import bulk
from usersyncd.state.database import Database, among
from usersyncd.state.tables import delivered, delivered_members, deliveries, records, retries

BYTES_A_MEMBER = array("I").itemsize


class Progress(Struct, frozen=True):
    """Up to which pull a target has been given everything, and by which rules (their fingerprint) it was shaped."""

    revision: int
    fingerprint: str


class Acknowledged(Struct, frozen=True):
    """A record as the target holds it now. ``key`` and ``shape`` are JSON; ``left_at``: since when it is a leaver's."""

    ref: int
    kind: int
    key: str
    digest: int
    active: bool
    left_at: datetime | None
    shape: str


def progress(connection: Connection, directory: int, target: str) -> Progress | None:
    """How far a target is; None when it never was given everything of this directory."""
    query = select(deliveries.c.revision, deliveries.c.fingerprint).where(
        deliveries.c.directory == directory, deliveries.c.target == target
    )
    row = connection.execute(query).one_or_none()
    return Progress(*row) if row else None


def finish(connection: Connection, directory: int, target: str, reached: Progress, again: Iterable[int]) -> None:
    """This target has been given everything up to a pull, but ``again``: what failed, and is to be tried again."""
    here = select(records.c.ref).where(records.c.directory == directory)
    connection.execute(delete(retries).where(retries.c.target == target, retries.c.ref.in_(here)))
    bulk.insert(connection, retries, ("target", "ref"), [(target, ref) for ref in again])
    row = (directory, target, reached.revision, reached.fingerprint)
    bulk.upsert(connection, deliveries, ("directory", "target", "revision", "fingerprint"), [row])


def acknowledge(connection: Connection, target: str, held: Iterable[Acknowledged], gone: list[int]) -> None:
    """Write what the target holds now, and forget what it holds no more."""
    columns = ("target", "ref", "kind", "key", "digest", "active", "left_at", "shape")
    rows = (
        (target, h.ref, h.kind, h.key, h.digest, int(h.active), h.left_at and h.left_at.isoformat(), h.shape)
        for h in held
    )
    bulk.upsert(connection, delivered, columns, rows)
    if gone:
        for table in (delivered, delivered_members):
            connection.execute(delete(table).where(table.c.target == target, among(connection, table.c.ref, gone)))


def members(connection: Connection, target: str, groups: list[int]) -> dict[int, array[int]]:
    """Whom the target holds in these groups: refs, sorted."""
    query = select(delivered_members.c.ref, delivered_members.c.members).where(
        delivered_members.c.target == target, among(connection, delivered_members.c.ref, groups)
    )
    return {ref: unpack("I", blob) for ref, blob in connection.execute(query)}


def acknowledge_members(connection: Connection, target: str, rows: Iterable[tuple[int, bytes]]) -> None:
    """Write whom the target holds in some groups now."""
    bulk.upsert(
        connection, delivered_members, ("target", "ref", "members"), ((target, ref, blob) for ref, blob in rows)
    )


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
        edges = (
            select(func.coalesce(func.sum(func.length(delivered_members.c.members)), 0))
            .join(records, records.c.ref == delivered_members.c.ref)
            .where(delivered_members.c.target == target, records.c.directory == directory)
        )
        count = int(connection.scalar(edges) or 0) // BYTES_A_MEMBER
    users, active = held.get(0, (0, 0))
    return Holdings(active=active, users=users, groups=held.get(1, (0, 0))[0], memberships=count)
