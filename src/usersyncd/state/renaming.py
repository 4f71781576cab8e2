"""Renames a directory: in the state at once, and later in each target that knows it by its old name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)

from usersyncd.errors import ConfigError
from usersyncd.plugin import Kind
from usersyncd.state import bulk
from usersyncd.state.columns import NUMBER
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.journal import RunKind
from usersyncd.state.merging import can_merge, merge
from usersyncd.state.tables import (
    directories,
    links,
    metadata,
    moments,
    outcomes,
    records,
    renames,
    retries,
    runs,
    sent,
    targets,
)


def is_known(database: Database, name: str) -> bool:
    """Whether there is a directory of this name."""
    with database.read() as connection:
        return _number(connection, name) is not None


def is_due(database: Database, was: str, name: str) -> bool:
    """Whether the directory ``was`` has to get this name: it was never read under it, or what came of that can be given
    to it. Raises ConfigError if targets hold something of both, and they are two directories, or people have two
    objects."""
    with database.read() as connection:
        old, new = _number(connection, was), _number(connection, name)
        if old is None or (new is not None and not _is_held(connection, old)):
            return False
        if new is not None and _is_held(connection, new) and not can_merge(connection, old, new):
            raise ConfigError(
                f"directories.{name}.was: {was} cannot be renamed: targets hold people of {was} and of {name}",
                f"give {was} a name that no directory had, or take `was` out: then {was} leaves its targets. If {name} "
                f"has another name now, rename that first: `was: {name}` there, and a sync of it",
            )
    return True


def merges(database: Database, name: str) -> bool:
    """Whether the directory was read under its new name already: a rename makes one directory of the two."""
    with database.read() as connection:
        new = _number(connection, name)
        return new is not None and _is_held(connection, new)


def rename(database: Database, was: str, name: str) -> None:
    """Give the directory ``was`` this name, with its records, links and runs. Its targets are still to be told.

    Call it when :func:`is_due` says so."""
    with database.write() as connection:
        old, new = _number(connection, was), _number(connection, name)
        if old is not None and new is not None:
            merge(connection, old, new)
            _drop(connection, new)
        connection.execute(update(directories).where(directories.c.id == old).values(name=name))
        mine = runs.c.subject == was, runs.c.kind != int(RunKind.DELIVERY)
        connection.execute(update(runs).where(*mine).values(subject=name))
        connection.execute(delete(outcomes).where(outcomes.c.directory_name == name))
        connection.execute(update(outcomes).where(outcomes.c.directory_name == was).values(directory_name=name))
        # While it has the name of another directory's objects, a target is told nothing of it under this name.
        noted = exists().where(renames.c.target == targets.c.id, renames.c.was == was)
        knows = select(targets.c.id, literal(old), literal(was)).where(_holds(targets.c.id, old), ~noted)
        connection.execute(insert(renames).from_select(["target", "directory", "was"], knows))


def waiting_for(database: Database, target: int, directory: DirectoryState) -> str | None:
    """The directory that had this one's name before, and of which this target was not told yet: what the target holds
    under the name is that directory's."""
    with database.read() as connection:
        found = _before(connection, target, directory.id, directory.name)
    return None if found is None else found[1]


def is_in_ring(database: Database, target: int, directory: DirectoryState) -> bool:
    """Whether directories exchanged names, this one among them, so that each waits for another one."""
    waits, seen = (directory.id, directory.name), set[int]()
    with database.read() as connection:
        while waits[0] not in seen:
            seen.add(waits[0])
            found = _before(connection, target, *waits)
            if found is None:
                return False
            waits = found
    return waits[0] == directory.id


def _before(connection: Connection, target: int, directory: int, name: str) -> tuple[int, str] | None:
    """The id and the name of the directory for which this one waits."""
    query = (
        select(directories.c.id, directories.c.name)
        .join(renames, renames.c.directory == directories.c.id)
        .where(renames.c.target == target, renames.c.directory != directory, renames.c.was == name)
    )
    found = connection.execute(query).first()
    return None if found is None else (found.id, found.name)


def note(database: Database, target: int, directory: int, was: str) -> None:
    """Store that the target may know the directory by this name."""
    with database.write() as connection:
        bulk.upsert(connection, renames, ("target", "directory", "was"), [(target, directory, was)])


def old_names(database: Database, target: int, directory: int) -> list[str]:
    """The names by which this target may still know the directory: more than one, if it got no answer in between."""
    mine = renames.c.target == target, renames.c.directory == directory
    with database.read() as connection:
        return list(connection.scalars(select(renames.c.was).where(*mine)))


def linked(database: Database, target: int, directory: int) -> dict[Kind, list[str]]:
    """The target ids of all objects of the directory."""
    query = (
        select(links.c.target_id)
        .join(records, records.c.ref == links.c.ref)
        .where(links.c.target == target, records.c.directory == directory, links.c.target_id.is_not(None))
    )
    with database.read() as connection:
        return {kind: list(connection.scalars(query.where(links.c.kind == NUMBER[kind]))) for kind in Kind}


def told(
    database: Database, target: int, directory: int, was: str, target_ids: Mapping[Kind, Mapping[str, str]]
) -> None:
    """Store that the target has the name ``was`` no more. ``target_ids``: those that changed, before -> now."""
    with database.write() as connection:
        for kind, ids in target_ids.items():
            mine = links.c.target == target, links.c.kind == NUMBER[kind], links.c.target_id == bindparam("before")
            if ids:
                connection.execute(
                    update(links).where(*mine).values(target_id=bindparam("now")),
                    [{"before": before, "now": now} for before, now in ids.items()],
                )
        mine = renames.c.target == target, renames.c.directory == directory, renames.c.was == was
        connection.execute(delete(renames).where(*mine))


def _number(connection: Connection, name: str) -> int | None:
    return connection.scalar(select(directories.c.id).where(directories.c.name == name))


def _is_held(connection: Connection, directory: int) -> bool:
    """Whether a target holds something of a directory, or may."""
    found = select(targets.c.id).where(_holds(targets.c.id, directory))
    return connection.scalar(found.limit(1)) is not None


def _holds(target: Column[Any], directory: int | None) -> ColumnElement[bool]:
    linked_ = exists().where(links.c.target == target, links.c.ref == records.c.ref, records.c.directory == directory)
    return or_(linked_, exists().where(sent.c.target == target, sent.c.directory == directory))


def _drop(connection: Connection, directory: int) -> None:
    """Delete a directory of which no target holds anything."""
    mine = select(records.c.ref).where(records.c.directory == directory)
    for table in (retries, moments):
        connection.execute(delete(table).where(table.c.ref.in_(mine)))
    for table in (table for table in metadata.sorted_tables if _belongs(table)):
        connection.execute(delete(table).where(table.c.directory == directory))
    connection.execute(delete(directories).where(directories.c.id == directory))


def _belongs(table: Table) -> bool:
    """Whether the rows of a table belong to a directory."""
    return "directory" in table.c and bool(table.c.directory.foreign_keys)
