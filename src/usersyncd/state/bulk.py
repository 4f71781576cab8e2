"""Writes many rows: COPY on PostgreSQL, prepared statements on SQLite.

Rows are tuples in the order of ``columns``. They may come from a generator: both databases read them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

Row = tuple[Any, ...]
T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def insert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows whose primary keys do not exist yet."""
    names = ", ".join(_quote(connection, name) for name in columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        _executemany(connection, f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)
    else:
        _copy(connection, f"{table.name} ({names})", rows)


def upsert(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Insert rows; where the primary key exists already, overwrite these columns."""
    names = ", ".join(_quote(connection, name) for name in columns)
    key = [column.name for column in table.primary_key]
    values = ", ".join(f"{_quote(connection, n)} = excluded.{_quote(connection, n)}" for n in columns if n not in key)
    on_conflict = f"ON CONFLICT ({', '.join(key)}) DO " + (f"UPDATE SET {values}" if values else "NOTHING")
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        _executemany(connection, f"INSERT INTO {table.name} ({names}) VALUES ({marks}) {on_conflict}", rows)
        return
    stage = f"stage_{table.name}"
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {stage} (LIKE {table.name} INCLUDING DEFAULTS) ON COMMIT DROP"
    )
    connection.exec_driver_sql(f"TRUNCATE {stage}")
    _copy(connection, f"{stage} ({names})", rows)
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM {stage} {on_conflict}")


def _quote(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _executemany(connection: Connection, statement: str, rows: Iterable[Row]) -> None:
    # The driver's own executemany takes an iterator; SQLAlchemy would put all rows into a list first.
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(statement, rows)  # type: ignore[arg-type]
    finally:
        cursor.close()


def _copy(connection: Connection, into: str, rows: Iterable[Row]) -> None:
    cursor: Any = connection.connection.cursor()
    try:
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            write = copy.write_row
            for row in rows:
                write(row)
    finally:
        cursor.close()
