"""Stores when each target was last compared with its links, for each directory."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.state import bulk
from usersyncd.state.database import Database
from usersyncd.state.tables import verifications


class LastVerification(Struct, frozen=True):
    """``at``: when the last verification was delivered; None if there was none. ``wanted``: the next run has to verify,
    even if the configuration says otherwise."""

    at: datetime | None = None
    wanted: bool = False


def latest(connection: Connection, directory: int, target: int) -> LastVerification:
    """The last verification of a target for a directory."""
    of_share = verifications.c.directory == directory, verifications.c.target == target
    row = connection.execute(select(verifications.c.at).where(*of_share)).one_or_none()
    if row is None:
        return LastVerification()
    return LastVerification(datetime.fromisoformat(row.at)) if row.at else LastVerification(wanted=True)


def want(database: Database, directory: int, target: int) -> None:
    """Store that the next run has to verify."""
    _write(database, directory, target, None)


def done(database: Database, directory: int, target: int, at: datetime) -> None:
    """Store that a verification was done, and that its plan was delivered."""
    _write(database, directory, target, at.isoformat())


def _write(database: Database, directory: int, target: int, at: str | None) -> None:
    with database.write() as connection:
        bulk.upsert(connection, verifications, ("target", "directory", "at"), [(target, directory, at)])
