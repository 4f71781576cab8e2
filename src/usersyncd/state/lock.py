"""Locks: no two pulls of one directory, and no two deliveries to one target, at the same time, in any process.

A lock ends with the process that holds it, even if the process is killed, so that nothing has to be cleaned up. On
PostgreSQL it is an advisory lock of a session. For an SQLite database, which is used on one machine only, it is a lock
on a small file beside the database.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import Select

from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import Database
from usersyncd.state.tables import targets

LINKS = 0x7573796F
"""The first of the two numbers of the advisory lock of a set of links: any number that other programs do not use in the
same database."""


class Lockable(Struct, frozen=True):
    """A kind of thing that runs lock by name. ``number``: the first number of its advisory locks. ``prefix``: begins
    the names of its lock files, and contains a dot, because names of directories and targets have none. ``run``: what
    its run is called in messages."""

    number: int
    prefix: str
    run: str


DIRECTORY = Lockable(0x7573796E, "", "pull of this directory")
TARGET = Lockable(0x75737970, "to.", "delivery to this target")
ENDPOINT = Lockable(0x75737971, "events.", "sender to this endpoint")


class Lock:
    """A lock of a directory or target that this process holds. ``session``: the connection that owns an advisory lock;
    None for a lock on a file."""

    def __init__(self, database: Database, name: str, session: Connection | None = None) -> None:
        self._database = database
        self._name = name
        self._session = session

    def verify(self) -> None:
        """Raises StateError if the lock is lost, because the server ended its session (in a restart, for example):
        another run may have begun."""
        if self._session is not None:
            self._ask(self._session, select(1))

    @contextmanager
    def at_links(self, number: int) -> Iterator[None]:
        """Hold the lock of a set of links, too: another target of the configuration may use the same set. Raises
        LockedError at once if another run holds it, StateError as ``verify`` does."""
        taken = LockedError("another delivery to this target is under way", "wait for it to end")
        if self._session is None:
            with _file_lock(self._database, f"target.{number}", taken):
                yield
            return
        if not self._ask(self._session, select(func.pg_try_advisory_lock(LINKS, number))):
            raise taken
        try:
            yield
        finally:
            _unlock(self._session, LINKS, number)

    @contextmanager
    def at_all_links(self) -> Iterator[None]:
        """Hold the locks of all sets of links, so that nothing is delivered meanwhile. Raises as ``at_links`` does."""
        with self._database.read() as connection:
            numbers = connection.scalars(select(targets.c.id).order_by(targets.c.id)).all()
        with ExitStack() as stack:
            for number in numbers:
                stack.enter_context(self.at_links(number))
            yield

    def _ask(self, session: Connection, query: Select[Any]) -> Any:
        try:
            return session.scalar(query)
        except SQLAlchemyError as error:
            raise StateError(
                f"{self._name}: the connection that held this run's lock was cut: "
                f"{getattr(error, 'orig', None) or error}",
                "nothing was lost: the next run goes on from the last saved state",
            ) from error


@contextmanager
def locked(database: Database, what: Lockable, name: str) -> Iterator[Lock]:
    """Hold the lock of a directory or target. Raises LockedError at once if another run holds it."""
    taken = LockedError(
        f"{name}: another {what.run} is under way", "wait for it to end; `usersyncd status` shows what runs"
    )
    if database.sqlite:
        with _file_lock(database, f"{what.prefix}{name}", taken):
            yield Lock(database, name)
        return
    number = _number(name)
    with database.reported(), database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as session:
        if not session.scalar(select(func.pg_try_advisory_lock(what.number, number))):
            raise taken
        try:
            yield Lock(database, name, session)
        finally:
            # The server notices the end of a session later than the next run may start.
            _unlock(session, what.number, number)


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
            # The service must be able to open a file that root's command created. SQLite does the same.
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


def is_locked(database: Database, what: Lockable, name: str) -> bool:
    """Whether a run holds the lock. It takes a free lock for a moment, which may stop a run that starts: call it only
    for a subject whose last run has no end."""
    try:
        with locked(database, what, name):
            return False
    except LockedError:
        return True
