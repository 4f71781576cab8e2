"""Links follow the place of their objects. Of a target that has other groups than before, and the same users, the
links of the users are those that it had."""

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
"""What belongs to one set and one record."""


def store(connection: Connection, number: int, where: Mapping[Kind, str]) -> None:
    """Store where the objects of a set are. What other sets say of the same places does not count any more."""
    for kind, place in where.items():
        same = places.c.kind == NUMBER[kind], places.c.place == place
        connection.execute(delete(places).where(places.c.target != number, *same))
    rows = [(number, NUMBER[kind], place) for kind, place in where.items()]
    bulk.upsert(connection, places, ("target", "kind", "place"), rows)


def stored(connection: Connection, number: int) -> dict[Kind, str]:
    """Where the objects of a set are, as far as that is stored."""
    query = select(places.c.kind, places.c.place).where(places.c.target == number)
    return {KIND[kind]: place for kind, place in connection.execute(query)}


def elsewhere(connection: Connection, number: int | None, where: Mapping[Kind, str]) -> dict[Kind, int]:
    """The other sets that have the links to objects in these places."""
    found: dict[Kind, int] = {}
    for kind, place in where.items():
        same = places.c.kind == NUMBER[kind], places.c.place == place
        holder = connection.scalar(select(places.c.target).where(*same))
        if holder not in (None, number):
            found[kind] = int(holder)
    return found


def users_of(connection: Connection, number: int, names: Set[str]) -> list[str]:
    """Which of these names of the configuration used a set last."""
    query = select(target_names.c.name).where(target_names.c.target == number, target_names.c.name.in_(names))
    return list(connection.scalars(query.order_by(target_names.c.name)))


def is_whole(connection: Connection, number: int, kinds: Set[Kind]) -> bool:
    """Whether a set has nothing but the objects of these kinds."""
    return {KIND[kind] for kind in connection.scalars(select(places.c.kind).where(places.c.target == number))} <= kinds


def is_unanswered(connection: Connection, number: int) -> bool:
    """Whether a batch that was sent has no answer."""
    return connection.scalar(select(sent.c.target).where(sent.c.target == number).limit(1)) is not None


def move(connection: Connection, source: int, number: int, kinds: Set[Kind]) -> None:
    """Move the links of these kinds to another set, with everything that belongs to their records. That set gets all
    records again, and is verified."""
    whole = is_whole(connection, source, kinds)
    for kind in kinds:
        mine = select(records.c.ref).where(records.c.kind == NUMBER[kind])
        for table in _OF_RECORDS:
            connection.execute(delete(table).where(table.c.target == number, table.c.ref.in_(mine)))
            moved = table.c.target == source, table.c.ref.in_(mine)
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
    """Let the links of these kinds in a new set begin as copies of those of another set."""
    mine = select(records.c.ref).where(records.c.kind.in_([NUMBER[kind] for kind in kinds]))
    for table in _OF_RECORDS:
        rest = [column for column in table.columns if column.name != "target"]
        rows = select(literal(number), *rest).where(table.c.target == source, table.c.ref.in_(mine))
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
