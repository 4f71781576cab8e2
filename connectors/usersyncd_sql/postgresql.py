"""PostgreSQL: rows go in by COPY, into the table itself or beside it, and keys as one array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from usersyncd_sql.tables import Key, Reflected, Row
from usersyncd_sql.write import Writer

STAGE = sql.Identifier("usersyncd_stage")


class PostgresqlWriter(Writer):
    """COPY (manual, "Populating a Database")."""

    def begin(self) -> None:
        # A deferred constraint would speak up at the commit, when nobody knows any more whose it is.
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def insert(self, table: Reflected, columns: Sequence[str], rows: Iterable[Row]) -> None:
        if self._takes_copy(table):
            self._copy(_name(table), columns, rows)
            return
        names = _list(_identifiers(columns))
        with self._staged(table, names, columns, rows) as cursor:
            cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(_name(table), names, names, STAGE))

    def update(self, table: Reflected, columns: Sequence[str], identity: Sequence[str], rows: Sequence[Row]) -> None:
        match = [f"match_{column}" for column in identity]
        pairs = list(zip(_identifiers(identity), _identifiers(match), strict=True))
        picked = _list([*_identifiers(columns), *(sql.SQL("{} AS {}").format(*pair) for pair in pairs)])
        with self._staged(table, picked, [*columns, *match], rows) as cursor:
            cursor.execute(
                sql.SQL("UPDATE {} AS held SET {} FROM {} AS stage WHERE {}").format(
                    _name(table),
                    _list([sql.SQL("{0} = stage.{0}").format(name) for name in _identifiers(columns)]),
                    STAGE,
                    sql.SQL(" AND ").join(sql.SQL("held.{} = stage.{}").format(*pair) for pair in pairs),
                )
            )

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        return table.light.c[column] == sa.any_(sa.bindparam(None, list(values), type_=sa.types.NullType()))

    @contextmanager
    def _staged(
        self, table: Reflected, picked: sql.Composable, columns: Sequence[str], rows: Iterable[Row]
    ) -> Iterator[Any]:
        """Rows in a temporary table that has the table's own column types, without its constraints."""
        cursor = self._cursor()
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                STAGE, picked, _name(table)
            )
        )
        self._copy(STAGE, columns, rows)
        yield cursor
        cursor.execute(sql.SQL("DROP TABLE {}").format(STAGE))

    def _takes_copy(self, table: Reflected) -> bool:
        """COPY FROM works on tables that have no row-level security for us, and on no view (manual, "COPY", Notes)."""
        name = _name(table).as_string(self._cursor())
        kind = "SELECT relkind IN ('r', 'p') AND NOT row_security_active(oid) FROM pg_class WHERE oid = %s::regclass"
        (takes,) = self._cursor().execute(kind, [name]).fetchone()
        return bool(takes)

    def _copy(self, name: sql.Composable, columns: Sequence[str], rows: Iterable[Row]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, _list(_identifiers(columns)))
        with self._cursor().copy(statement) as copy:
            write = copy.write_row
            for row in rows:
                write(row)

    def _cursor(self) -> Any:
        return self.connection.connection.cursor()


def _name(table: Reflected) -> sql.Identifier:
    return sql.Identifier(*(part for part in (table.light.schema, table.name) if part))


def _identifiers(names: Sequence[str]) -> list[sql.Identifier]:
    return [sql.Identifier(name) for name in names]


def _list(parts: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(parts)
