"""Stores the state of each directory: how far it was read, and how many records it has."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, bindparam, insert, select, update

from usersyncd.state.database import Database, among
from usersyncd.state.tables import directories

_COLUMNS = (
    directories.c.id, directories.c.name, directories.c.cursor, directories.c.basis, directories.c.completed_at,
    directories.c.revision, directories.c.users, directories.c.groups, directories.c.memberships,
    directories.c.complete,
)  # fmt: skip
_KNOWN = select(*_COLUMNS).where(directories.c.name == bindparam("directory"))
_SAVE = update(directories).where(directories.c.id == bindparam("which"))


class DirectoryState(Struct, frozen=True):
    """How far a directory was read, and how much it holds.

    ``cursor``: the connector's. ``basis``: the digest of the attributes and options with which it was read.
    ``completed_at``: when the last complete pull was saved. ``revision``: the number of the last saved pull that
    changed something. ``memberships``: how many edges the directory lists, unresolved ones included. ``complete``: 1 if
    the last pull was complete.
    """

    id: int
    name: str
    cursor: str | None
    basis: str | None
    completed_at: datetime | None
    revision: int
    users: int
    groups: int
    memberships: int
    complete: int = 0


def known(connection: Connection, name: str) -> DirectoryState | None:
    """The state of a directory; None if it was never read."""
    row = connection.execute(_KNOWN, {"directory": name}).one_or_none()
    if row is None:
        return None
    identifier, name, cursor, basis, completed_at, *numbers = row
    return DirectoryState(
        identifier, name, cursor, basis, completed_at and datetime.fromisoformat(completed_at), *numbers
    )  # fmt: skip


def numbers(connection: Connection) -> dict[str, int]:
    """The number of each directory, by name."""
    return {name: number for number, name in connection.execute(select(directories.c.id, directories.c.name))}


def revisions(connection: Connection, names: list[str]) -> dict[str, int]:
    """The revisions of these directories, by name, unless one was never read."""
    query = select(directories.c.name, directories.c.revision).where(among(connection, directories.c.name, names))
    return {row.name: row.revision for row in connection.execute(query)}


def open_directory(database: Database, name: str) -> DirectoryState:
    """The state of a directory. A directory that was never read is added."""
    with database.read() as connection:
        state = known(connection, name)
    if state is None:
        with database.write() as connection:
            connection.execute(insert(directories).values(name=name, revision=0, users=0, groups=0, memberships=0))
            state = known(connection, name)
    assert state is not None  # noqa: S101 - it was just inserted
    return state


def save(connection: Connection, state: DirectoryState) -> None:
    """Store the state of a directory."""
    connection.execute(
        _SAVE,
        {
            "which": state.id,
            "cursor": state.cursor,
            "basis": state.basis,
            "completed_at": state.completed_at and state.completed_at.isoformat(),
            "revision": state.revision,
            "users": state.users,
            "groups": state.groups,
            "memberships": state.memberships,
            "complete": state.complete,
        },
    )
