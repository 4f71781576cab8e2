"""What the state database knows of a directory as a whole: how far it was read, and how much it holds."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from usersyncd.state.database import Database
from usersyncd.state.tables import directories

_COLUMNS = (
    directories.c.id, directories.c.name, directories.c.cursor, directories.c.basis, directories.c.completed_at,
    directories.c.revision, directories.c.users, directories.c.groups, directories.c.memberships,
    directories.c.complete,
)  # fmt: skip


class DirectoryState(Struct, frozen=True):
    """How far a directory was read.

    ``cursor`` is the connector's, ``basis`` the digest of everything that decides how it reads, ``revision`` the number
    of the last saved pull that changed something; ``memberships`` counts edges as the directory gives them;
    ``complete`` is 1 when the last pull was complete.
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
    """What is known of a directory; None when it was never read."""
    row = connection.execute(select(*_COLUMNS).where(directories.c.name == name)).one_or_none()
    if row is None:
        return None
    identifier, name, cursor, basis, completed_at, *numbers = row
    return DirectoryState(
        identifier, name, cursor, basis, completed_at and datetime.fromisoformat(completed_at), *numbers
    )  # fmt: skip


def numbers(connection: Connection) -> dict[str, int]:
    """The numbers of all directories, by name."""
    return {name: number for number, name in connection.execute(select(directories.c.id, directories.c.name))}


def open_directory(database: Database, name: str) -> DirectoryState:
    """What is known of a directory, which from now on has a number of its own."""
    with database.read() as connection:
        found = known(connection, name)
    if found is None:
        with database.write() as connection:
            connection.execute(insert(directories).values(name=name, revision=0, users=0, groups=0, memberships=0))
            found = known(connection, name)
    assert found is not None  # noqa: S101 - it was just inserted
    return found


def save(connection: Connection, reading: DirectoryState) -> None:
    """Write how far a directory is read now."""
    connection.execute(
        update(directories)
        .where(directories.c.id == reading.id)
        .values(
            cursor=reading.cursor,
            basis=reading.basis,
            completed_at=reading.completed_at and reading.completed_at.isoformat(),
            revision=reading.revision,
            users=reading.users,
            groups=reading.groups,
            memberships=reading.memberships,
            complete=reading.complete,
        )
    )
