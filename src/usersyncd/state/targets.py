"""Stores the sets of links. Each set belongs to one target, recognized by its own identity, not by its name in the
configuration."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, literal, select, update

from usersyncd.plugin import Kind
from usersyncd.state import bulk
from usersyncd.state.columns import NUMBER
from usersyncd.state.streams import close_stream
from usersyncd.state.tables import (
    endpoints,
    links,
    metadata,
    parked,
    places,
    stream_objects,
    streams,
    target_names,
    target_progress,
    targets,
    verifications,
)

_PARTS = [table for table in metadata.sorted_tables if "target" in table.primary_key.columns]
"""The tables whose rows belong to one set."""
_COPIED = [table for table in _PARTS if table not in (places, streams, stream_objects, endpoints, parked)]


class LinkSet(Struct, frozen=True):
    """A set of links. ``target``: the last name of the target in a configuration. ``identity``: None if the target was
    never asked for it. ``users`` and ``groups``: how many are linked."""

    number: int
    target: str
    identity: str | None
    users: int
    groups: int


def by_identity(connection: Connection, identity: str, name: str) -> int | None:
    """The number of the set with this identity; None if there is none. A set from before targets had identities is
    found by the name."""
    number = connection.scalar(select(targets.c.id).where(targets.c.identity == identity))
    if number is not None:
        return int(number)
    by_name_only = select(targets.c.id).join(target_names, target_names.c.target == targets.c.id)
    number = connection.scalar(by_name_only.where(target_names.c.name == name, targets.c.identity.is_(None)))
    return None if number is None else int(number)


def by_name(connection: Connection, name: str) -> int | None:
    """The number of the set that the target with this configured name used last."""
    return connection.scalar(select(target_names.c.target).where(target_names.c.name == name))


def is_remembered(connection: Connection, number: int, identity: str, name: str) -> bool:
    """Whether it is already stored that this name stands for this identity and this set."""
    query = select(targets.c.id).where(targets.c.id == number, targets.c.identity == identity, targets.c.name == name)
    return connection.scalar(query) == number == by_name(connection, name)


def remember(connection: Connection, identity: str, name: str, copied: int | None) -> int:
    """Store that this name stands for the target with this identity. Returns the number of its set.

    A new set is empty, or a copy of the set ``copied``, which stays and still describes the other target. If the name
    used another set before, the next delivery verifies the target, because it may have changed meanwhile.
    """
    number, before = by_identity(connection, identity, name), by_name(connection, name)
    if number is None:
        number, made = _insert(connection, identity, name)
        if made and copied is not None:
            _copy(connection, copied, number)
    else:
        connection.execute(update(targets).where(targets.c.id == number).values(identity=identity, name=name))
    if before not in (None, number):
        delivered = connection.scalars(
            select(target_progress.c.directory).where(target_progress.c.target == number)
        ).all()
        rows = [(number, directory, None) for directory in delivered]
        bulk.upsert(connection, verifications, ("target", "directory", "at"), rows)
    bulk.upsert(connection, target_names, ("name", "target"), [(name, number)])
    return number


def _insert(connection: Connection, identity: str, name: str) -> tuple[int, bool]:
    """The number of the set, and whether this call created it: another run may have created it at the same time."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as upsert
    else:
        from sqlalchemy.dialects.postgresql import insert as upsert  # type: ignore[assignment]
    statement = upsert(targets).values(identity=identity, name=name).on_conflict_do_nothing()
    number = connection.scalar(statement.returning(targets.c.id))
    if number is not None:
        return int(number), True
    return connection.scalars(select(targets.c.id).where(targets.c.identity == identity)).one(), False


def _copy(connection: Connection, source: int, number: int) -> None:
    for table in _COPIED:
        rest = [column for column in table.columns if column.name != "target"]
        rows = select(literal(number), *rest).where(table.c.target == source)
        connection.execute(insert(table).from_select(["target", *(column.name for column in rest)], rows))


# ---- unused sets


def unused(connection: Connection, names: list[str]) -> list[LinkSet]:
    """The sets that none of these configured names uses."""
    used = select(target_names.c.target).where(target_names.c.name.in_(names))
    counts = [
        select(func.count()).where(links.c.target == targets.c.id, links.c.kind == NUMBER[kind]).scalar_subquery()
        for kind in Kind
    ]
    query = select(targets.c.id, targets.c.name, targets.c.identity, *counts).where(targets.c.id.not_in(used))
    return [LinkSet(*row) for row in connection.execute(query.order_by(targets.c.id))]


def drop(connection: Connection, number: int) -> None:
    """Delete a set with everything that belongs to it. The target itself is not changed."""
    close_stream(connection, number)
    for table in (*_PARTS, target_names):
        connection.execute(delete(table).where(table.c.target == number))
    connection.execute(delete(targets).where(targets.c.id == number))
