"""A temporary database: what a run keeps until it is saved or delivered. It vanishes with the process."""

from __future__ import annotations

import sqlite3
from typing import Any

from usersyncd.errors import StateError

SETUP = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"


class Scratch(sqlite3.Connection):
    """One that says what to do when there is no space for it. Raises StateError."""

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
    """A new one with these tables, in a transaction that never ends. It keeps up to so many ``kilobytes`` in memory."""
    made = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=Scratch)
    made.executescript(f"{SETUP} PRAGMA cache_size=-{kilobytes}; {schema}")
    made.execute("BEGIN")
    return made


def _fault(error: sqlite3.Error) -> StateError:
    return StateError(
        f"what a run keeps in temporary files cannot be written: {error}",
        "free space in the folder for temporary files, or name another in $SQLITE_TMPDIR; nothing was lost: the next "
        "run goes on from the last saved state",
    )
