"""PostgreSQL: new rows are sent by COPY, others as one JSON text, which the database converts to the columns' types.

No temporary table is used: the user does not need the right to create one, and behind a pooler a session lasts one
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import sqlalchemy as sa
from psycopg import sql

from usersyncd_sql.comparison import TABLE
from usersyncd_sql.copy_text import copy_text
from usersyncd_sql.reflected import Key, Reflected, Row
from usersyncd_sql.write import Writer

BYTES = 'COLLATE "C"'
AS_TEXT: dict[str, Callable[[Any], str]] = {
    "real": str, "double precision": str, "bytea": lambda value: f"\\x{bytes(value).hex()}"
}  # fmt: skip
"""Types whose values JSON cannot represent: NaN, infinity, bytes."""


TOGETHER = 1_000
"""Rows that are sent to COPY as one text."""


class PostgresqlWriter(Writer):
    """COPY (manual, "Populating a Database"), and ``json_to_recordset`` (manual, "JSON Functions and Operators")."""

    def begin(self) -> None:
        # A deferred constraint would fail at the commit, where the violating record is not known.
        self.connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def insert(self, table: Reflected, columns: Sequence[str], rows: Iterable[Row]) -> int:
        if self._is_plain(table):
            return self._copy(_name(table), columns, rows)
        names = _list(_identifiers(columns))
        picked = _list(_identifiers(_numbered(columns)))
        statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
            _name(table), names, picked, _sent(table, columns)
        )
        return int(self._cursor().execute(statement, [_json(table, columns, list(rows))]).rowcount)

    def update(self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row]) -> int:
        sent = [*columns, *by]
        names = _numbered(sent)
        pairs = zip(_identifiers(columns), _identifiers(names[: len(columns)]), strict=True)
        statement = sql.SQL("UPDATE {} AS held SET {} FROM {} WHERE {}").format(
            _name(table),
            _list([sql.SQL("{} = sent.{}").format(*pair) for pair in pairs]),
            _sent(table, sent),
            _same(table, by, names[len(columns) :]),
        )
        return int(self._cursor().execute(statement, [_json(table, sent, rows)]).rowcount)

    def delete_rows(self, table: Reflected, by: Sequence[str], rows: Sequence[Row]) -> int:
        statement = sql.SQL("DELETE FROM {} AS held USING {} WHERE {}").format(
            _name(table), _sent(table, by), _same(table, by, _numbered(by))
        )
        return int(self._cursor().execute(statement, [_json(table, by, rows)]).rowcount)

    def _join(
        self, table: Reflected, columns: Sequence[str], by: Sequence[str], rows: Sequence[Row], *, lock: bool = False
    ) -> Iterator[tuple[int, Row]]:
        pairs = zip((_held(table, column) for column in by), _identifiers(_numbered(by)), strict=True)
        statement = sql.SQL("SELECT sent.n, {} FROM {} JOIN {} AS held ON {}{}").format(
            _list([sql.SQL("held.{}").format(name) for name in _identifiers(columns)]),
            _sent(table, by),
            _name(table),
            sql.SQL(" AND ").join([sql.SQL("{} = sent.{}").format(*pair) for pair in pairs]),
            # With FOR UPDATE, a policy for UPDATE or a view that cannot be locked would hide rows.
            sql.SQL(" FOR UPDATE OF held" if lock and self._is_plain(table) else ""),
        )
        for n, *found in self._cursor().execute(statement, [_json(table, by, rows)]).fetchall():
            yield n - 1, tuple(found)

    def among(self, table: Reflected, column: str, values: Sequence[Key]) -> sa.ColumnElement[bool]:
        loose = table.light.c[column] == _any(values)
        return loose if table.comparisons[column].exact else sa.and_(loose, self._plain(table, column) == _any(values))

    def _exact(self, table: Reflected, column: str, value: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return self._plain(table, column) == sa.cast(value, sa.Text())

    def _plain(self, table: Reflected, column: str) -> sa.ColumnElement[Any]:
        return sa.collate(sa.cast(table.light.c[column], sa.Text()), "C")

    def _is_plain(self, table: Reflected) -> bool:
        """Whether COPY FROM accepts the table: it is not a view, and has no row-level security for this user (manual,
        "COPY", Notes)."""
        kind = f"SELECT relkind IN ('r', 'p') AND NOT row_security_active(oid) FROM pg_class WHERE oid = {TABLE}"  # noqa: S608
        asked = {"schema": table.light.schema, "name": table.name}
        return bool(self.connection.execute(sa.text(kind), asked).scalar())  # None: the table was dropped

    def _copy(self, name: sql.Composable, columns: Sequence[str], rows: Iterable[Row]) -> int:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(name, _list(_identifiers(columns)))
        cursor = self._cursor()
        # Without parameters, psycopg does not halve the percent signs.
        with cursor.copy(statement.as_string(cursor).replace("%%", "%").encode()) as copy:
            for some in batched(rows, TOGETHER):
                if (text := copy_text(some)) is not None:
                    copy.write(text)
                else:
                    for row in some:
                        copy.write_row(row)
        return int(cursor.rowcount)

    def _cursor(self) -> Any:
        return self.connection.connection.cursor()


def batched(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while some := list(islice(iterator, size)):
        yield some


def _any(values: Sequence[Key]) -> Any:
    return sa.any_(sa.bindparam(None, list(values), type_=sa.types.NullType()))


def _numbered(columns: Sequence[str]) -> list[str]:
    return [f"c{place}" for place in range(len(columns))]


def _sent(table: Reflected, columns: Sequence[str]) -> sql.Composable:
    """The rows in a parameter from :func:`_json`, with the types of these columns, numbered from 1."""
    types = [table.comparisons[column].type for column in columns]  # from the catalog, quoted where necessary
    names = _identifiers(_numbered(columns))
    # Arrays of JSON become arrays of text first.
    read = [sql.SQL("text[]" if type_.endswith("[]") else "text") for type_ in types]
    cast = [sql.SQL(type_.replace("%", "%%")) for type_ in types]
    return sql.SQL(
        "(SELECT n, {} FROM ROWS FROM (json_to_recordset(%s::json) AS ({})) WITH ORDINALITY AS r ({}, n)) AS sent"
    ).format(
        _list([sql.SQL("{0}::{1} AS {0}").format(*pair) for pair in zip(names, cast, strict=True)]),
        _list([sql.SQL("{} {}").format(*pair) for pair in zip(names, read, strict=True)]),
        _list(names),
    )


def _json(table: Reflected, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """Rows as JSON. Raises UnicodeEncodeError for a text that is not valid Unicode."""
    names = _numbered(columns)
    special = [
        (name, as_text)
        for name, column in zip(names, columns, strict=True)
        if (as_text := AS_TEXT.get(table.comparisons[column].type)) is not None
    ]
    sent = [dict(zip(names, row, strict=True)) for row in rows]
    for name, as_text in special:
        for row in sent:
            row[name] = None if row[name] is None else as_text(row[name])
    return msgspec.json.encode(sent, enc_hook=str).decode()


def _same(table: Reflected, by: Sequence[str], names: Sequence[str]) -> sql.Composable:
    """The condition that a row holds exactly the sent values, independent of collations."""
    parts: list[sql.Composable] = []
    for column, name in zip(by, names, strict=True):
        pair = (_held(table, column), sql.Identifier(name))
        parts.append(sql.SQL("{} = sent.{}").format(*pair))
        if not table.comparisons[column].exact:
            parts.append(sql.SQL(f"{{}}::text {BYTES} = sent.{{}}::text {BYTES}").format(*pair))
    return sql.SQL(" AND ").join(parts)


def _held(table: Reflected, column: str) -> sql.Composable:
    """The value of a column in the type of the sent values: a domain over an enum cannot be compared with the enum."""
    comparison, (name,) = table.comparisons[column], _identifiers([column])
    if not comparison.domain:
        return sql.SQL("held.{}").format(name)
    return sql.SQL("held.{}::{}").format(name, sql.SQL(comparison.type.replace("%", "%%")))


def _name(table: Reflected) -> sql.Identifier:
    return sql.Identifier(*(part.replace("%", "%%") for part in (table.light.schema, table.name) if part))


def _identifiers(names: Sequence[str]) -> list[sql.Identifier]:
    """Names for a statement with parameters, where a percent sign is written twice."""
    return [sql.Identifier(name.replace("%", "%%")) for name in names]


def _list(parts: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(parts)
