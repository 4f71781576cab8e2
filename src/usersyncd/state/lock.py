"""Never two runs of one directory at once, also not from two processes.

A lock ends with the process that holds it, also when that is killed: nothing has to be cleaned up afterwards. On
PostgreSQL it is a session's advisory lock; beside an SQLite database, which lives on one machine, it is a lock on a
small file.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import Database

ADVISORY_SPACE = 0x7573796E
"""The first of the two numbers of our advisory locks (any number that other programs in that database do not use)."""


class Lock:
    """A lock that is held. ``session``: the connection to which it belongs; None for a file's."""

    def __init__(self, directory: str, session: Connection | None = None) -> None:
        self._directory = directory
        self._session = session

    def verify(self) -> None:
        """Raises StateError when the lock is lost, and another run may have begun: its session was cut, as by a restart
        of the server."""
        try:
            if self._session is not None:
                self._session.execute(select(1))
        except SQLAlchemyError as error:
            raise StateError(
                f"{self._directory}: the connection that held this run's lock was cut: "
                f"{getattr(error, 'orig', None) or error}",
                "nothing was lost: the next run goes on from the last saved state",
            ) from error


@contextmanager
def locked(database: Database, directory: str) -> Iterator[Lock]:
    """Hold the lock of a directory. Raises LockedError at once when another run has it."""
    with _file_lock(database, directory) if database.sqlite else _advisory_lock(database, directory) as lock:
        yield lock


@contextmanager
def _file_lock(database: Database, directory: str) -> Iterator[Lock]:
    path = database.file.with_name(f"{database.file.name}.{directory}.lock")
    try:
        file = path.open("a")
    except OSError as error:
        raise StateError(
            f"the lock file {path} cannot be opened: {error.strerror}", "let the user who runs usersyncd write there"
        ) from error
    with file:
        if os.geteuid() == 0 and database.file.exists():
            # As SQLite does with its own files: the service must be able to open what root's command made.
            owner = database.file.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(directory) from None
        yield Lock(directory)


@contextmanager
def _advisory_lock(database: Database, directory: str) -> Iterator[Lock]:
    number = zlib.crc32(directory.encode()) - 2**31
    with database.reported(), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(ADVISORY_SPACE, number))):
            raise _taken(directory)
        try:
            yield Lock(directory, connection)
        finally:
            # The server notices the end of a session a moment later: the next run may be sooner.
            with suppress(SQLAlchemyError):
                connection.execute(select(func.pg_advisory_unlock(ADVISORY_SPACE, number)))


def _taken(directory: str) -> LockedError:
    return LockedError(
        f"{directory}: another run of this directory is under way",
        "wait for it to end; `usersyncd status` shows what runs",
    )


def is_locked(database: Database, directory: str) -> bool:
    """Whether a run has the lock. Ask it only of a directory whose last run has not ended: to answer no, it takes the
    lock for a moment."""
    try:
        with locked(database, directory):
            return False
    except LockedError:
        return True
