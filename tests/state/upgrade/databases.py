"""A state or target database that is dumped to text and loaded again."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tests.servers.postgres import Postgres
from tests.servers.process import program

Rows = list[tuple[Any, ...]]


class Recorded(Protocol):
    @property
    def url(self) -> str: ...

    def run(self, *statements: str) -> Rows:
        """Run statements, and return the rows of the last one."""
        ...

    def dump(self) -> str:
        """Return the whole database as SQL."""
        ...

    def load(self, text: str) -> None:
        """Create the database from the output of ``dump``."""
        ...

    def held(self, table: str) -> AbstractContextManager[None]:
        """Lock the table against other writers."""
        ...


class SqliteDatabase:
    def __init__(self, file: Path) -> None:
        self._file = file
        self.url = f"sqlite:///{file.name}"

    def run(self, *statements: str) -> Rows:
        rows: Rows = []
        with self._connected() as connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        return rows

    def dump(self) -> str:
        with self._connected() as connection:
            return "\n".join(connection.iterdump()) + "\n"

    def load(self, text: str) -> None:
        with self._connected() as connection:
            connection.executescript(text)

    @contextmanager
    def held(self, _table: str) -> Iterator[None]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def _connected(self) -> closing[sqlite3.Connection]:
        return closing(sqlite3.connect(self._file, timeout=30, isolation_level=None))


class PostgresDatabase:
    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.url = server.database()

    def run(self, *statements: str) -> Rows:
        return self._server.sql(self.url, *statements)

    def dump(self) -> str:
        command = [program("pg_dump", "postgresql"), "--inserts", "--no-owner", "--no-privileges", self.url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        lines = (line for line in text.splitlines() if line and not line.startswith(("--", "\\", "SET ")))
        return "\n".join(line for line in lines if "search_path" not in line) + "\n"

    def load(self, text: str) -> None:
        self._server.sql(self.url, text)

    @contextmanager
    def held(self, table: str) -> Iterator[None]:
        import psycopg

        with psycopg.connect(self.url) as connection:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
            yield
            connection.rollback()
