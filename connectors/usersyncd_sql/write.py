"""The four things that are done to a table, in bulk. Where a database has something better, it has a module of its own.

Rows are tuples in the order of the named columns, already adapted to them; ``fixed`` columns must equal a value.
Errors are the driver's own, or SQLAlchemy's around them (see faults.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from usersyncd_sql.tables import Key, Reflected, Row

CHUNK = 1_000
"""How many values one IN list takes."""


class Writer:
    """Bulk statements by ``executemany``: what SQLite does best."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def begin(self) -> None:
        """Called once, at the start of a transaction."""

    def insert(self, table: Reflected, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Insert rows; one that is there already is an error."""
        self._many(
            sa.insert(table.light).values({column: sa.bindparam(column) for column in columns}), columns, list(rows)
        )

    def update(self, table: Reflected, columns: Sequence[str], identity: Sequence[str], rows: Sequence[Row]) -> None:
        """Set ``columns`` of the rows that ``identity`` names: a row holds values, then its identity as it is now."""
        match = [f"match_{column}" for column in identity]
        statement = (
            sa.update(table.light)
            .values({column: sa.bindparam(column) for column in columns})
            .where(*(self.equals(table, c, sa.bindparam(m)) for c, m in zip(identity, match, strict=True)))
        )
        self._many(statement, [*columns, *match], list(rows))

    def select(
        self, table: Reflected, columns: Sequence[str], fixed: Mapping[str, Any], column: str, values: Sequence[Key]
    ) -> Iterator[Row]:
        """The rows in which ``column`` has one of these values."""
        wanted = [table.light.c[name] for name in columns]
        for chunk in self._chunks(values):
            found = self.connection.execute(sa.select(*wanted).where(*self._where(table, fixed, column, chunk)))
            yield from map(tuple, found.all())

    def delete(self, table: Reflected, fixed: Mapping[str, Any], column: str, values: Sequence[Key]) -> None:
        """Delete the rows in which ``column`` has one of these values."""
        for chunk in self._chunks(values):
            self.connection.execute(sa.delete(table.light).where(*self._where(table, fixed, column, chunk)))

    def equals(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """That a column holds exactly this value."""
        return table.light.c[column] == value

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        """That a column holds exactly one of these values."""
        return table.light.c[column].in_(values)

    def _where(
        self, table: Reflected, fixed: Mapping[str, Any], column: str, values: Sequence[Key]
    ) -> list[sa.ColumnElement[bool]]:
        same = [self.equals(table, name, _bound(value)) for name, value in fixed.items()]
        return [*same, self.among(table, column, values)]

    def _chunks(self, values: Sequence[Key]) -> Iterator[Sequence[Key]]:
        for start in range(0, len(values), CHUNK):
            yield values[start : start + CHUNK]

    def _many(self, statement: ClauseElement, names: Sequence[str], rows: list[Row]) -> None:
        """Run a statement for many rows, past SQLAlchemy's work on each: the values are the driver's already."""
        compiled: Any = statement.compile(dialect=self.connection.dialect)
        if tuple(compiled.positiontup) != tuple(names):
            places = [names.index(name) for name in compiled.positiontup]
            rows = [tuple(row[place] for place in places) for row in rows]
        if rows:
            self.connection.exec_driver_sql(str(compiled), rows)


def _bound(value: Any) -> sa.BindParameter[Any]:
    """A parameter without a type, so that nothing is cast on the way."""
    return sa.bindparam(None, value, type_=sa.types.NullType())
