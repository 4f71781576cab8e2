"""Moves links between sets of links when a target keeps only a part of its objects: links follow their objects.

A place is where a target has its objects of one kind, such as a table. A target with another table of groups and the
same table of users gets a new set of links, and the links of the users move to it."""

from __future__ import annotations

from collections.abc import Mapping, Set

from sqlalchemy import Connection, delete, insert, literal, select, update

from usersyncd.plugin import Kind
from usersyncd.state import bulk, targets
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.tables import (
    harms,
    link_members,
    links,
    moments,
    places,
    records,
    renames,
    retries,
    sent,
    target_names,
    target_progress,
    verifications,
)

_OF_RECORDS = (links, link_members, retries, harms, moments)
"""The tables whose rows belong to one set of links and one record."""


def store(connection: Connection, number: int, where: Mapping[Kind, str]) -> None:
    """Store the places of a set. Other sets lose these places."""
    for kind, place in where.items():
        same = places.c.kind == NUMBER[kind], places.c.place == place
        connection.execute(delete(places).where(places.c.target != number, *same))
    rows = [(number, NUMBER[kind], place) for kind, place in where.items()]
    bulk.upsert(connection, places, ("target", "kind", "place"), rows)


def stored(connection: Connection, number: int) -> dict[Kind, str]:
    """The stored places of a set."""
    query = select(places.c.kind, places.c.place).where(places.c.target == number)
    return {KIND[kind]: place for kind, place in connection.execute(query)}


def elsewhere(connection: Connection, number: int | None, where: Mapping[Kind, str]) -> dict[Kind, int]:
    """The other sets that have these places, by kind."""
    holders: dict[Kind, int] = {}
    for kind, place in where.items():
        same = places.c.kind == NUMBER[kind], places.c.place == place
        holder = connection.scalar(select(places.c.target).where(*same))
        if holder not in (None, number):
            holders[kind] = int(holder)
    return holders


def users_of(connection: Connection, number: int, names: Set[str]) -> list[str]:
    """Those of these names of targets whose last set was this one, in order."""
    query = select(target_names.c.name).where(target_names.c.target == number, target_names.c.name.in_(names))
    return list(connection.scalars(query.order_by(target_names.c.name)))


def is_whole(connection: Connection, number: int, kinds: Set[Kind]) -> bool:
    """Whether a set has objects of these kinds only."""
    return {KIND[kind] for kind in connection.scalars(select(places.c.kind).where(places.c.target == number))} <= kinds


def is_unanswered(connection: Connection, number: int) -> bool:
    """Whether a batch of this set was sent and has no answer."""
    return connection.scalar(select(sent.c.target).where(sent.c.target == number).limit(1)) is not None


def move(connection: Connection, source: int, number: int, kinds: Set[Kind]) -> None:
    """Move the links of these kinds from ``source`` to the set ``number``, with everything that belongs to their
    records. The next delivery of that set shapes all records again and verifies the target."""
    whole = is_whole(connection, source, kinds)
    for kind in kinds:
        of_kind = select(records.c.ref).where(records.c.kind == NUMBER[kind])
        for table in _OF_RECORDS:
            connection.execute(delete(table).where(table.c.target == number, table.c.ref.in_(of_kind)))
            moved = table.c.target == source, table.c.ref.in_(of_kind)
            connection.execute(update(table).where(*moved).values(target=number))
    if whole:
        connection.execute(delete(sent).where(sent.c.target == number))
        connection.execute(update(sent).where(sent.c.target == source).values(target=number))
    _copy_progress(connection, source, number)
    connection.execute(
        delete(places).where(places.c.target == source, places.c.kind.in_([NUMBER[kind] for kind in kinds]))
    )
    if whole:
        targets.drop(connection, source)


def copy(connection: Connection, source: int, number: int, kinds: Set[Kind]) -> None:
    """Copy the links of these kinds from ``source`` to the new set ``number``, with everything that belongs to their
    records."""
    of_kinds = select(records.c.ref).where(records.c.kind.in_([NUMBER[kind] for kind in kinds]))
    for table in _OF_RECORDS:
        rest = [column for column in table.columns if column.name != "target"]
        rows = select(literal(number), *rest).where(table.c.target == source, table.c.ref.in_(of_kinds))
        connection.execute(insert(table).from_select(["target", *(column.name for column in rest)], rows))


def _copy_progress(connection: Connection, source: int, number: int) -> None:
    known = select(target_progress.c.directory).where(target_progress.c.target == number)
    rest = select(target_progress.c.directory, literal(number), target_progress.c.revision, literal("")).where(
        target_progress.c.target == source, target_progress.c.directory.not_in(known)
    )
    connection.execute(insert(target_progress).from_select(["directory", "target", "revision", "fingerprint"], rest))
    connection.execute(update(target_progress).where(target_progress.c.target == number).values(fingerprint=""))
    delivered = connection.scalars(select(target_progress.c.directory).where(target_progress.c.target == number)).all()
    bulk.upsert(
        connection, verifications, ("target", "directory", "at"), [(number, directory, None) for directory in delivered]
    )
    waiting = connection.execute(select(renames.c.directory, renames.c.was).where(renames.c.target == source)).all()
    bulk.upsert(
        connection, renames, ("target", "directory", "was"), [(number, directory, was) for directory, was in waiting]
    )
