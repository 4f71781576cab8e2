"""Stores which directories are expected to push everything again, and which of their resources came since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, bindparam, delete, func, select

from usersyncd.plugin import Kind, Value
from usersyncd.state import bulk
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.tables import full_pushes, records, seen_resources

PAGE = 1_000
"""How many resources are read at a time."""
_EXPECTED = select(full_pushes.c.since, full_pushes.c.by).where(full_pushes.c.directory == bindparam("directory"))


class FullPush(Struct, frozen=True):
    """A full push that is expected. ``by``: the person who expects it."""

    since: datetime
    by: str


class UnseenResource(Struct, frozen=True):
    """A resource that was not sent since the full push is expected. ``name``: its user name or display name."""

    kind: Kind
    id: str
    name: str | None


class _Names(Struct, gc=False):
    user_name: Value = msgspec.field(default=None, name="userName")
    display_name: Value = msgspec.field(default=None, name="displayName")


_names = msgspec.json.Decoder(_Names).decode


def expected(connection: Connection, directory: int) -> FullPush | None:
    """The full push that a directory is expected to send."""
    row = connection.execute(_EXPECTED, {"directory": directory}).one_or_none()
    return None if row is None else FullPush(datetime.fromisoformat(row.since), row.by)


def expect(database: Database, directory: int, push: FullPush) -> None:
    """Expect a full push from now on. What was seen before does not count."""
    with database.write() as connection:
        connection.execute(delete(seen_resources).where(seen_resources.c.directory == directory))
        row = directory, push.since.isoformat(timespec="seconds"), push.by
        bulk.upsert(connection, full_pushes, ("directory", "since", "by"), [row])


def drop(database: Database, directory: int) -> None:
    """Expect no full push any more."""
    with database.write() as connection:
        for table in (seen_resources, full_pushes):
            connection.execute(delete(table).where(table.c.directory == directory))


def to_note(connection: Connection, directory: int, refs: Collection[int]) -> list[int]:
    """Those of these resources that have to be noted as seen: none if no full push is expected."""
    if not refs or expected(connection, directory) is None:
        return []
    query = select(seen_resources.c.ref).where(seen_resources.c.directory == directory)
    seen = set(connection.scalars(query.where(among(connection, seen_resources.c.ref, list(refs)))))
    return [ref for ref in refs if ref not in seen]


def refs_of(connection: Connection, directory: int, resources: Iterable[tuple[Kind, str]]) -> list[int]:
    """The refs of these resources."""
    ids: dict[Kind, list[str]] = {}
    for kind, id_ in resources:
        ids.setdefault(kind, []).append(id_)
    query = select(records.c.ref).where(records.c.directory == directory)
    return [
        ref
        for kind, some in ids.items()
        for ref in connection.scalars(
            query.where(records.c.kind == NUMBER[kind], among(connection, records.c.id, some))
        )
    ]  # fmt: skip


def note(database: Database, directory: int, refs: Collection[int]) -> None:
    """Note resources as seen, if a full push is expected. The note survives a power loss."""
    with database.write(durable=True) as connection:
        if expected(connection, directory) is not None:
            rows = [(directory, ref) for ref in dict.fromkeys(refs)]
            bulk.upsert(connection, seen_resources, ("directory", "ref"), rows)


def seen_counts(connection: Connection, directory: int) -> dict[Kind, int]:
    """How many resources of each kind came since the full push is expected, and still exist."""
    query = select(records.c.kind, func.count()).join(seen_resources, seen_resources.c.ref == records.c.ref)
    here = seen_resources.c.directory == directory, records.c.gone_at.is_(None)
    found = {KIND[kind]: count for kind, count in connection.execute(query.where(*here).group_by(records.c.kind))}
    return {kind: found.get(kind, 0) for kind in Kind}


def unseen_count(connection: Connection, directory: int) -> int:
    """How many resources were not sent since the full push is expected."""
    return int(connection.scalar(select(func.count()).select_from(_unseen(directory).subquery())) or 0)


def unseen(database: Database, directory: int) -> Iterator[list[UnseenResource]]:
    """The resources that were not sent, in pages, ordered by ref."""
    last = 0
    while True:
        query = _unseen(directory).where(records.c.ref > last).order_by(records.c.ref).limit(PAGE)
        with database.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return
        last = rows[-1].ref
        yield [UnseenResource(KIND[kind], id_, _name(attributes)) for _, kind, id_, attributes in rows]


def _unseen(directory: int) -> Select[int, int, str, str]:
    is_seen = select(seen_resources.c.ref).where(
        seen_resources.c.directory == directory, seen_resources.c.ref == records.c.ref
    )
    query = select(records.c.ref, records.c.kind, records.c.id, records.c.attributes)
    return query.where(records.c.directory == directory, records.c.gone_at.is_(None), ~is_seen.exists())


def _name(attributes: str) -> str | None:
    names = _names(attributes)
    return next((one for one in (names.user_name, names.display_name) if isinstance(one, str)), None)
