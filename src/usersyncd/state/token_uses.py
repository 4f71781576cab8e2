"""Stores when each token of a directory that pushes was last used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from usersyncd.state import bulk
from usersyncd.state.database import Database
from usersyncd.state.tables import directories, token_uses


def note(database: Database, directory: str, token: str, at: datetime) -> None:
    """Store that the provider used a token (its name). A directory that was never saved is left out."""
    with database.write() as connection:
        number = connection.scalar(select(directories.c.id).where(directories.c.name == directory))
        if number is not None:
            row = number, token, at.isoformat(timespec="seconds")
            bulk.upsert(connection, token_uses, ("directory", "token", "at"), [row])


def last_uses(connection: Connection, directory: str) -> dict[str, datetime]:
    """When each token of a directory was last used, by its name."""
    query = select(token_uses.c.token, token_uses.c.at).join(directories, directories.c.id == token_uses.c.directory)
    rows = connection.execute(query.where(directories.c.name == directory).order_by(token_uses.c.token))
    return {token: datetime.fromisoformat(at) for token, at in rows}
