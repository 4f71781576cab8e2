"""Renames a directory: in the state at once, and later in each target that has its old name."""

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
    """Whether the state has a directory with this name."""
    with database.read() as connection:
        return _number(connection, name) is not None


def is_due(database: Database, was: str, name: str) -> bool:
    """Whether the directory ``was`` has to be renamed to ``name``. If it was already read under the new name, both can
    be merged.

    Raises ConfigError if targets hold something of both and they cannot be merged.
    """
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
    """Whether targets hold something of the directory under its new name already: a rename then merges the two."""
    with database.read() as connection:
        new = _number(connection, name)
        return new is not None and _is_held(connection, new)


def rename(database: Database, was: str, name: str) -> None:
    """Rename the directory ``was`` in the state, with its records, links and runs. Its targets are renamed later.

    Call it only if :func:`is_due` returns True."""
    with database.write() as connection:
        old, new = _number(connection, was), _number(connection, name)
        if old is not None and new is not None:
            merge(connection, old, new)
            _drop(connection, new)
        connection.execute(update(directories).where(directories.c.id == old).values(name=name))
        of_directory = runs.c.subject == was, runs.c.kind != int(RunKind.DELIVERY)
        connection.execute(update(runs).where(*of_directory).values(subject=name))
        connection.execute(delete(outcomes).where(outcomes.c.directory_name == name))
        connection.execute(update(outcomes).where(outcomes.c.directory_name == was).values(directory_name=name))
        # If a target still has this name for another directory, it never received anything of this one under the name.
        has_another = exists().where(renames.c.target == targets.c.id, renames.c.was == was)
        have_old_name = select(targets.c.id, literal(old), literal(was)).where(_holds(targets.c.id, old), ~has_another)
        connection.execute(insert(renames).from_select(["target", "directory", "was"], have_old_name))


def waiting_for(database: Database, target: int, directory: DirectoryState) -> str | None:
    """The name of another directory that this target still has under this directory's name; None if there is none. What
    the target holds under the name belongs to that directory, until it has been renamed there."""
    with database.read() as connection:
        other = _waits_for(connection, target, directory.id, directory.name)
    return None if other is None else other[1]


def is_in_ring(database: Database, target: int, directory: DirectoryState) -> bool:
    """Whether directories exchanged names in a ring that contains this one, so that each waits for another."""
    waiting, seen = (directory.id, directory.name), set[int]()
    with database.read() as connection:
        while waiting[0] not in seen:
            seen.add(waiting[0])
            other = _waits_for(connection, target, *waiting)
            if other is None:
                return False
            waiting = other
    return waiting[0] == directory.id


def _waits_for(connection: Connection, target: int, directory: int, name: str) -> tuple[int, str] | None:
    """Id and name of the directory that this one waits for."""
    query = (
        select(directories.c.id, directories.c.name)
        .join(renames, renames.c.directory == directories.c.id)
        .where(renames.c.target == target, renames.c.directory != directory, renames.c.was == name)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.id, row.name)


def note(database: Database, target: int, directory: int, was: str) -> None:
    """Store that the target may have this old name of the directory."""
    with database.write() as connection:
        bulk.upsert(connection, renames, ("target", "directory", "was"), [(target, directory, was)])


def old_names(database: Database, target: int, directory: int) -> list[str]:
    """The old names of the directory that this target may still have. There are several if the directory was renamed
    again before the target was."""
    of_share = renames.c.target == target, renames.c.directory == directory
    with database.read() as connection:
        return list(connection.scalars(select(renames.c.was).where(*of_share)))


def linked(database: Database, target: int, directory: int) -> dict[Kind, list[str]]:
    """The target ids of all objects of the directory."""
    query = (
        select(links.c.target_id)
        .join(records, records.c.ref == links.c.ref)
        .where(links.c.target == target, records.c.directory == directory, links.c.target_id.is_not(None))
    )
    with database.read() as connection:
        return {kind: list(connection.scalars(query.where(links.c.kind == NUMBER[kind]))) for kind in Kind}


def finish(
    database: Database, target: int, directory: int, was: str, target_ids: Mapping[Kind, Mapping[str, str]]
) -> None:
    """Store that the target does not have the name ``was`` any more. ``target_ids``: the target ids that changed with
    the name, before → now."""
    with database.write() as connection:
        for kind, ids in target_ids.items():
            link = links.c.target == target, links.c.kind == NUMBER[kind], links.c.target_id == bindparam("before")
            if ids:
                connection.execute(
                    update(links).where(*link).values(target_id=bindparam("now")),
                    [{"before": before, "now": now} for before, now in ids.items()],
                )
        old_name = renames.c.target == target, renames.c.directory == directory, renames.c.was == was
        connection.execute(delete(renames).where(*old_name))


def _number(connection: Connection, name: str) -> int | None:
    return connection.scalar(select(directories.c.id).where(directories.c.name == name))


def _is_held(connection: Connection, directory: int) -> bool:
    """Whether any target holds something of a directory, or may hold it."""
    holders = select(targets.c.id).where(_holds(targets.c.id, directory))
    return connection.scalar(holders.limit(1)) is not None


def _holds(target: Column[Any], directory: int | None) -> ColumnElement[bool]:
    linked_ = exists().where(links.c.target == target, links.c.ref == records.c.ref, records.c.directory == directory)
    return or_(linked_, exists().where(sent.c.target == target, sent.c.directory == directory))


def _drop(connection: Connection, directory: int) -> None:
    """Delete a directory. No target may hold anything of it."""
    refs = select(records.c.ref).where(records.c.directory == directory)
    for table in (retries, moments):
        connection.execute(delete(table).where(table.c.ref.in_(refs)))
    for table in (table for table in metadata.sorted_tables if _has_directory(table)):
        connection.execute(delete(table).where(table.c.directory == directory))
    connection.execute(delete(directories).where(directories.c.id == directory))


def _has_directory(table: Table) -> bool:
    """Whether each row of a table belongs to a directory."""
    return "directory" in table.c and bool(table.c.directory.foreign_keys)
