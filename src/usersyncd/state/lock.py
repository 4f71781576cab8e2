"""Never two runs of one directory at once, nor two directories at one target; also not from two processes.

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
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import Select

from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import Database

DIRECTORIES = 0x7573796E
"""The first of the two numbers of our advisory locks (any number that other programs in that database do not use),"""
TARGETS = DIRECTORIES + 1
"""and that of a target's."""


class Lock:
    """The lock of a directory, held. ``session``: the connection to which it belongs; None for a file's."""

    def __init__(self, database: Database, directory: str, session: Connection | None = None) -> None:
        self._database = database
        self._directory = directory
        self._session = session

    def verify(self) -> None:
        """Raises StateError when the lock is lost, and another run may have begun: its session was cut, as by a restart
        of the server."""
        if self._session is not None:
            self._ask(self._session, select(1))

    @contextmanager
    def at_target(self, target: int) -> Iterator[None]:
        """Hold a target's lock, too. Raises LockedError at once when another directory's run has it, StateError as
        ``verify`` does."""
        taken = LockedError("another directory is being delivered to this target", "wait for that to end")
        if self._session is None:
            # The name of a directory has no dot: this is no directory's file.
            with _file_lock(self._database, f"target.{target}", taken):
                yield
            return
        number = target
        if not self._ask(self._session, select(func.pg_try_advisory_lock(TARGETS, number))):
            raise taken
        try:
            yield
        finally:
            _unlock(self._session, TARGETS, number)

    def _ask(self, session: Connection, query: Select[Any]) -> Any:
        try:
            return session.scalar(query)
        except SQLAlchemyError as error:
            raise StateError(
                f"{self._directory}: the connection that held this run's lock was cut: "
                f"{getattr(error, 'orig', None) or error}",
                "nothing was lost: the next run goes on from the last saved state",
            ) from error


@contextmanager
def locked(database: Database, directory: str) -> Iterator[Lock]:
    """Hold the lock of a directory. Raises LockedError at once when another run has it."""
    taken = LockedError(
        f"{directory}: another run of this directory is under way",
        "wait for it to end; `usersyncd status` shows what runs",
    )
    if database.sqlite:
        with _file_lock(database, directory, taken):
            yield Lock(database, directory)
        return
    number = _number(directory)
    with database.reported(), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        if not session.scalar(select(func.pg_try_advisory_lock(DIRECTORIES, number))):
            raise taken
        try:
            yield Lock(database, directory, session)
        finally:
            # The server notices the end of a session a moment later: the next run may be sooner.
            _unlock(session, DIRECTORIES, number)


@contextmanager
def _file_lock(database: Database, name: str, taken: LockedError) -> Iterator[None]:
    path = database.file.with_name(f"{database.file.name}.{name}.lock")
    try:
        path.touch(0o600)
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
            raise taken from None
        yield


def _number(name: str) -> int:
    return zlib.crc32(name.encode()) - 2**31


def _unlock(session: Connection, space: int, number: int) -> None:
    with suppress(SQLAlchemyError):
        session.execute(select(func.pg_advisory_unlock(space, number)))


def is_locked(database: Database, directory: str) -> bool:
    """Whether a run has the lock. Ask it only of a directory whose last run has not ended: to answer no, it takes the
    lock for a moment."""
    try:
        with locked(database, directory):
            return False
    except LockedError:
        return True
