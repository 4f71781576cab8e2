"""Bulk statements on a table. Databases with a faster way have their own module.

Rows are tuples in the order of the named columns, converted to their types; ``fixed`` columns must equal a value.
``join`` compares by the collation of the column and so finds values that the database treats as equal; statements that
write compare exactly. Errors are those of the driver, or of SQLAlchemy around them (see faults.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from usersyncd_sql.faults import is_of_value
from usersyncd_sql.reflected import Key, Reflected, Row
from usersyncd_sql.savepoint import savepoint

T = TypeVar("T")
Write = TypeVar("Write", sa.Insert, sa.Update)

CHUNK = 1_000
"""Rows, or values of an IN list, per statement."""


class Writer:
    """Bulk statements by ``executemany``, which is the fastest way for SQLite."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def begin(self) -> None:
        """Called once, at the start of a transaction."""

    def insert(self, table: Reflected, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Insert rows; an existing row is an error. Returns the row count of the database."""
        statement = sa.insert(table.light).values({column: sa.bindparam(column) for column in columns})
        return self._many(_aborting(table, statement), columns, list(rows))

    def update(self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row]) -> int:
        """Set ``columns`` of the rows that ``by`` identifies. Returns the row count.

        Each of ``rows`` holds the new values, followed by the current values of ``by``.
        """
        names, where = self._exactly(table, by)
        statement = sa.update(table.light).values({c: sa.bindparam(f"set_{c}") for c in columns}).where(*where)
        return self._many(_aborting(table, statement), [*(f"set_{column}" for column in columns), *names], list(rows))

    def delete_rows(self, table: Reflected, by: Sequence[str], rows: Sequence[Row]) -> int:
        """Delete the rows that ``by`` identifies. Returns the row count."""
        names, where = self._exactly(table, by)
        return self._many(sa.delete(table.light).where(*where), names, list(rows))

    def join(
        self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row], *, lock: bool = False
    ) -> Iterator[tuple[int, Row]]:
        """The rows of the table that equal one of ``rows`` in the columns ``by``, each with the index of that one.

        Comparison is by the collation of the columns. A value that a column cannot hold matches no row. ``lock``: lock
        the rows until the end of the transaction; their values were in the table before.
        """
        if lock:
            yield from self._join(table, columns, by, rows, lock=True)
            return
        parts = [(0, rows)] if rows else []
        while parts:
            start, some = parts.pop()
            try:
                with savepoint(self.connection):
                    found = list(self._join(table, columns, by, some))
            except Exception as error:
                if not is_of_value(error):
                    raise
                middle = len(some) // 2
                parts += [(start + middle, some[middle:]), (start, some[:middle])] if middle else []
                continue
            yield from ((start + n, row) for n, row in found)

    def _join(
        self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row], *, lock: bool = False
    ) -> Iterator[tuple[int, Row]]:
        quote = self.connection.dialect.identifier_preparer.quote
        name = self._name(table)
        wanted = ", ".join(["n", *(f"k{place}" for place in range(len(by)))])
        picked = ", ".join(["wanted.n", *(f"{name}.{quote(column)}" for column in columns)])
        same = " AND ".join(self._loosely(table, f"{name}.{quote(c)}", c, f"wanted.k{n}") for n, c in enumerate(by))
        for start, chunk in self._chunks(rows):
            listed = ", ".join([self._listed(len(by) + 1)] * len(chunk))
            statement = (
                f"WITH wanted ({wanted}) AS (VALUES {listed}) "  # noqa: S608 - names are quoted, values are parameters
                f"SELECT {picked} FROM wanted CROSS JOIN {name} ON {same}{self._lock(table, lock)}"
            )
            values = tuple(value for n, row in enumerate(chunk, start) for value in (n, *row))
            for n, *found in self.connection.exec_driver_sql(statement, values).all():
                yield n, tuple(found)

    def select(
        self, table: Reflected, columns: Sequence[str], fixed: Mapping[str, Any], column: str, values: Sequence[Key]
    ) -> Iterator[Row]:
        """The rows with the ``fixed`` values in which ``column`` holds exactly one of ``values``."""
        wanted = [table.light.c[name] for name in columns]
        for _, chunk in self._chunks(values):
            found = self.connection.execute(sa.select(*wanted).where(*self._where(table, fixed, column, chunk)))
            yield from map(tuple, found.all())

    def delete(self, table: Reflected, fixed: Mapping[str, Any], column: str, values: Sequence[Key]) -> int:
        """Delete the rows that :meth:`select` finds. Returns the row count."""
        return sum(
            self.connection.execute(sa.delete(table.light).where(*self._where(table, fixed, column, chunk))).rowcount
            for _, chunk in self._chunks(values)
        )

    def equals(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """The condition that a column holds exactly this value: an indexed comparison, and an exact one if needed."""
        loose = table.light.c[column] == value
        return loose if table.comparisons[column].exact else sa.and_(loose, self._exact(table, column, value))

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        """The condition that a column holds exactly one of these values."""
        loose = table.light.c[column].in_(values)
        if table.comparisons[column].exact:
            return loose
        return sa.and_(loose, self._plain(table, column).in_(values))

    def _exact(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return self._plain(table, column) == value

    def _plain(self, table: Reflected, column: str) -> sa.ColumnElement[Any]:
        """The column without its collation."""
        return sa.collate(table.light.c[column], "BINARY")

    def _loosely(self, table: Reflected, held: str, column: str, asked: str) -> str:  # noqa: ARG002
        return f"{held} = {asked}"

    def _listed(self, width: int) -> str:
        return f"({', '.join('?' * width)})"

    def _lock(self, table: Reflected, lock: bool) -> str:  # noqa: ARG002 - SQLite locks the whole file
        return ""

    def _name(self, table: Reflected) -> str:
        return self.connection.dialect.identifier_preparer.format_table(table.light)

    def _exactly(self, table: Reflected, by: Sequence[str]) -> tuple[list[str], list[sa.ColumnElement[bool]]]:
        """Parameter names, and conditions that the columns hold exactly these parameters."""
        names: list[str] = []
        where: list[sa.ColumnElement[bool]] = []
        for column in by:
            names.append(f"is_{column}")
            where.append(table.light.c[column] == sa.bindparam(names[-1]))
            if not table.comparisons[column].exact:
                where.append(self._exact(table, column, sa.bindparam(names[-1])))
        return names, where

    def _where(
        self, table: Reflected, fixed: Mapping[str, Any], column: str, values: Sequence[Key]
    ) -> list[sa.ColumnElement[bool]]:
        same = [self.equals(table, name, _bound(value)) for name, value in fixed.items()]
        return [*same, self.among(table, column, values)]

    def _chunks(self, values: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
        for start in range(0, len(values), CHUNK):
            yield start, values[start : start + CHUNK]

    def _many(self, statement: ClauseElement, names: Sequence[str], rows: list[Row]) -> int:
        """Run a statement for many rows without SQLAlchemy's processing: the values are converted already."""
        if not rows:
            return 0
        compiled: Any = statement.compile(dialect=self.connection.dialect)
        if tuple(compiled.positiontup) != tuple(names):
            places = [names.index(name) for name in compiled.positiontup]
            rows = [tuple(row[place] for place in places) for row in rows]
        return self.connection.exec_driver_sql(str(compiled), rows).rowcount


def _aborting(table: Reflected, statement: Write) -> Write:
    """The statement with OR ABORT, which overrides ``ON CONFLICT`` of a constraint. It also overrides the statements of
    triggers, so it is added only for tables with such a constraint."""
    return statement.prefix_with("OR ABORT") if table.has_on_conflict else statement


def _bound(value: Any) -> sa.BindParameter[Any]:
    """A parameter without a type, so that SQLAlchemy does not cast it."""
    return sa.bindparam(None, value, type_=sa.types.NullType())
