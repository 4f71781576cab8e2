"""SQLite, PostgreSQL and MariaDB behind one interface, so that a test runs on each."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.servers.mariadb import Mariadb
from tests.servers.postgres import Postgres

DIALECTS = ("sqlite", "postgresql", "mariadb")

TYPES = {
    "sqlite": {"serial": "INTEGER PRIMARY KEY", "moment": "TIMESTAMP", "json": "JSON", "uuid": "VARCHAR(36)"},
    "postgresql": {"serial": "SERIAL PRIMARY KEY", "moment": "TIMESTAMPTZ", "json": "JSONB", "uuid": "UUID"},
    "mariadb": {"serial": "INTEGER AUTO_INCREMENT PRIMARY KEY", "moment": "DATETIME", "json": "JSON", "uuid": "UUID"},
}
"""Where the dialects differ in the statements of the tests: ``{serial}``, ``{moment}``, ``{json}``, ``{uuid}``."""


def only(*dialects: str) -> pytest.MarkDecorator:
    """Mark a test that runs on these databases only."""
    return pytest.mark.parametrize("database", dialects, indirect=True)


class Database(Protocol):
    """An empty database for one test."""

    dialect: str

    @property
    def url(self) -> str: ...

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Fill in ``{serial}`` and the like, run the statements, and return the rows of the last one."""
        ...


class SqliteDatabase:
    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "app.db"
        self.url = "sqlite:///app.db"

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            for statement in statements:
                rows = connection.execute(_filled(statement, self.dialect)).fetchall()
        return rows


class ServerDatabase:
    def __init__(self, server: Postgres | Mariadb) -> None:
        self.server = server
        self.dialect = "postgresql" if isinstance(server, Postgres) else "mariadb"
        self.url = server.database()

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        quoted = statements if self.dialect == "postgresql" else [s.replace('"', "`") for s in statements]
        return self.server.sql(self.url, *(_filled(statement, self.dialect) for statement in quoted))

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


def _filled(statement: str, dialect: str) -> str:
    for name, text in TYPES[dialect].items():
        statement = statement.replace(f"{{{name}}}", text)
    return statement


def columns(database: Database, table: str, names: Sequence[str], order: str) -> list[tuple[Any, ...]]:
    """Return these columns of all rows, ordered by one column."""
    picked = ", ".join(f'"{name}"' for name in names)
    return database.sql(f'SELECT {picked} FROM "{table}" ORDER BY "{order}"')
