"""When a target was last compared with its links, for each directory."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.state import bulk
from usersyncd.state.database import Database
from usersyncd.state.tables import verifications


class LastVerification(Struct, frozen=True):
    """``at``: when it was done last, and what it found was delivered. ``wanted``: the next run has to do it, whatever
    the configuration says."""

    at: datetime | None = None
    wanted: bool = False


def latest(connection: Connection, directory: int, target: int) -> LastVerification:
    """The last verification of a target for a directory."""
    mine = verifications.c.directory == directory, verifications.c.target == target
    found = connection.execute(select(verifications.c.at).where(*mine)).one_or_none()
    if found is None:
        return LastVerification()
    return LastVerification(datetime.fromisoformat(found.at)) if found.at else LastVerification(wanted=True)


def want(database: Database, directory: int, target: int) -> None:
    """The next run has to verify."""
    _write(database, directory, target, None)


def done(database: Database, directory: int, target: int, at: datetime) -> None:
    """A verification was done, and what it found was delivered."""
    _write(database, directory, target, at.isoformat())


def _write(database: Database, directory: int, target: int, at: str | None) -> None:
    with database.write() as connection:
        bulk.upsert(connection, verifications, ("target", "directory", "at"), [(target, directory, at)])
