"""PostgreSQL: rows are sent by COPY, into the table or a temporary one; lookups are sent as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from psycopg import sql

from usersyncd_sql.reflected import Key, Reflected, Row
from usersyncd_sql.write import Writer

STAGE = sql.Identifier("usersyncd_stage")
BYTES = 'COLLATE "C"'


class PostgresqlWriter(Writer):
    """COPY (manual, "Populating a Database")."""

    def begin(self) -> None:
        # A deferred constraint would fail at the commit, when the record that violates it is not known.
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def insert(self, table: Reflected, columns: Sequence[str], rows: Iterable[Row]) -> int:
        if self._is_plain(table):
            return self._copy(_name(table), columns, rows)
        names = _list(_identifiers(columns))
        with self._staged(table, names, columns, rows) as cursor:
            cursor.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(_name(table), names, names, STAGE))
            return int(cursor.rowcount)

    def update(self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row]) -> int:
        match = [f"match_{column}" for column in by]
        pairs = list(zip(_identifiers(by), _identifiers(match), strict=True))
        picked = _list([*_identifiers(columns), *(sql.SQL("{} AS {}").format(*pair) for pair in pairs)])
        with self._staged(table, picked, [*columns, *match], rows) as cursor:
            cursor.execute(
                sql.SQL("UPDATE {} AS held SET {} FROM {} AS stage WHERE {}").format(
                    _name(table),
                    _list([sql.SQL("{0} = stage.{0}").format(name) for name in _identifiers(columns)]),
                    STAGE,
                    _same(table, by, "held", "stage", match),
                )
            )
            return int(cursor.rowcount)

    def delete_rows(self, table: Reflected, by: Sequence[str], rows: Sequence[Row]) -> int:
        keys = [f"k{place}" for place in range(len(by))]
        statement = sql.SQL("DELETE FROM {} AS held USING {} WHERE {}").format(
            _name(table), _wanted(table, by), _same(table, by, "held", "wanted", keys)
        )
        return int(self._cursor().execute(statement, _arrays(by, rows)).rowcount)

    def join(
        self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row], *, lock: bool = False
    ) -> Iterator[tuple[int, Row]]:
        same = [
            sql.SQL("held.{} = wanted.{}").format(sql.Identifier(column), sql.Identifier(f"k{place}"))
            for place, column in enumerate(by)
        ]
        statement = sql.SQL("SELECT wanted.n, {} FROM {} JOIN {} AS held ON {}{}").format(
            _list([sql.SQL("held.{}").format(name) for name in _identifiers(columns)]),
            _wanted(table, by),
            _name(table),
            sql.SQL(" AND ").join(same),
            # With FOR UPDATE, a policy for UPDATE or a view that cannot be locked would hide rows.
            sql.SQL(" FOR UPDATE OF held" if lock and self._is_plain(table) else ""),
        )
        for n, *found in self._cursor().execute(statement, _arrays(by, rows)).fetchall():
            yield n - 1, tuple(found)

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        loose = table.light.c[column] == _any(values)
        return loose if table.comparisons[column].exact else sa.and_(loose, self._plain(table, column) == _any(values))

    def _exact(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return self._plain(table, column) == sa.cast(value, sa.Text())

    def _plain(self, table: Reflected, column: str) -> sa.ColumnElement[Any]:
        return sa.collate(sa.cast(table.light.c[column], sa.Text()), "C")

    @contextmanager
    def _staged(
        self, table: Reflected, picked: sql.Composable, columns: Sequence[str], rows: Iterable[Row]
    ) -> Iterator[Any]:
        """Copy rows into a temporary table with the column types of the table and without its constraints."""
        cursor = self._cursor()
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                STAGE, picked, _name(table)
            )
        )
        self._copy(STAGE, columns, rows)
        yield cursor
        self._cursor().execute(sql.SQL("DROP TABLE {}").format(STAGE))

    def _is_plain(self, table: Reflected) -> bool:
        """Whether COPY FROM accepts the table: no view, and no row-level security for this user (manual, "COPY",
        Notes)."""
        name = _name(table).as_string(self._cursor())
        kind = "SELECT relkind IN ('r', 'p') AND NOT row_security_active(oid) FROM pg_class WHERE oid = %s::regclass"
        (takes,) = self._cursor().execute(kind, [name]).fetchone()
        return bool(takes)

    def _copy(self, name: sql.Composable, columns: Sequence[str], rows: Iterable[Row]) -> int:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, _list(_identifiers(columns)))
        cursor = self._cursor()
        with cursor.copy(statement) as copy:
            write = copy.write_row
            for row in rows:
                write(row)
        return int(cursor.rowcount)

    def _cursor(self) -> Any:
        return self.connection.connection.cursor()


def _any(values: Sequence[Key]) -> Any:
    return sa.any_(sa.bindparam(None, list(values), type_=sa.types.NullType()))


def _wanted(table: Reflected, by: Sequence[str]) -> sql.Composable:
    """The rows asked for, as one array for each column, with their indexes."""
    arrays = [sql.SQL(f"%s::{table.comparisons[column].type}[]") for column in by]
    names = [sql.Identifier(f"k{place}") for place in range(len(by))]
    return sql.SQL("unnest({}) WITH ORDINALITY AS wanted ({}, n)").format(_list(arrays), _list(names))


def _arrays(by: Sequence[str], rows: Sequence[Row]) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(len(by))]


def _same(table: Reflected, by: Sequence[str], held: str, other: str, names: Sequence[str]) -> sql.Composable:
    """The condition that two rows hold exactly the same values, independent of collations."""
    parts: list[sql.Composable] = []
    for column, name in zip(by, names, strict=True):
        pair = (sql.Identifier(held, column), sql.Identifier(other, name))
        parts.append(sql.SQL("{} = {}").format(*pair))
        if not table.comparisons[column].exact:
            parts.append(sql.SQL(f"{{}}::text {BYTES} = {{}}::text {BYTES}").format(*pair))
    return sql.SQL(" AND ").join(parts)


def _name(table: Reflected) -> sql.Identifier:
    return sql.Identifier(*(part for part in (table.light.schema, table.name) if part))


def _identifiers(names: Sequence[str]) -> list[sql.Identifier]:
    return [sql.Identifier(name) for name in names]


def _list(parts: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(parts)
