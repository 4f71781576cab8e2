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
from contextlib import contextmanager

from sqlalchemy import func, select

from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import Database, reported

ADVISORY_SPACE = 0x7573796E
"""The first of the two numbers of our advisory locks (any number that other programs in that database do not use)."""


@contextmanager
def locked(database: Database, directory: str) -> Iterator[None]:
    """Hold the lock of a directory. Raises LockedError at once when another run has it."""
    with _file_lock(database, directory) if database.sqlite else _advisory_lock(database, directory):
        yield


@contextmanager
def _file_lock(database: Database, directory: str) -> Iterator[None]:
    path = database.file.with_name(f"{database.file.name}.{directory}.lock")
    try:
        file = path.open("a")
    except OSError as error:
        raise StateError(
            f"the lock file {path} cannot be opened: {error.strerror}", "let the user who runs usersyncd write there"
        ) from error
    with file:
        if os.geteuid() == 0:
            # As SQLite does with its own files: the service must be able to open what root's command made.
            owner = database.file.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(directory) from None
        yield


@contextmanager
def _advisory_lock(database: Database, directory: str) -> Iterator[None]:
    number = zlib.crc32(directory.encode()) - 2**31
    with reported(), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(select(func.pg_try_advisory_lock(ADVISORY_SPACE, number))):
            raise _taken(directory)
        yield


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
