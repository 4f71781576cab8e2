"""Temporary databases, in which a run keeps a pull or a plan. They end with the process."""

from __future__ import annotations

import sqlite3
from typing import Any

from usersyncd.errors import StateError

SETUP = "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"


class Scratch(sqlite3.Connection):
    """A connection to a temporary database. Raises StateError with a remedy if there is no space for it."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        try:
            return super().execute(sql, parameters)
        except sqlite3.Error as error:
            raise _fault(error) from error

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        try:
            return super().executemany(sql, parameters)
        except sqlite3.Error as error:
            raise _fault(error) from error


def scratch(schema: str, kilobytes: int = 8_000) -> Scratch:
    """A new temporary database with these tables, in a transaction that never ends. ``kilobytes``: the size of its
    cache in memory."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=Scratch)
    connection.executescript(f"{SETUP} PRAGMA cache_size=-{kilobytes}; {schema}")
    connection.execute("BEGIN")
    return connection


def _fault(error: sqlite3.Error) -> StateError:
    return StateError(
        f"the temporary files of a run cannot be written: {error}",
        "free space in the folder for temporary files, or name another in $SQLITE_TMPDIR; nothing was lost: the next "
        "run goes on from the last saved state",
    )
