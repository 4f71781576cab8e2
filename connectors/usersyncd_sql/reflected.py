"""One table as the database describes it. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOMAIN
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.types import TypeEngine

from usersyncd.errors import TargetError
from usersyncd_sql.comparison import Comparison, comparisons
from usersyncd_sql.to_json import json_converter
from usersyncd_sql.values import Loose

Key = Any
"""A key in the form of the driver: text, number or UUID."""

Row = tuple[Any, ...]

SQLITE_KNOWN = re.compile(
    r"(UNSIGNED )?(TINY|SMALL|MEDIUM|BIG|BIG |U|UBIG)?INT(EGER)?[0-9]*\b|(SMALL|BIG)?SERIAL\b|(SMALL)?MONEY\b|"
    r"(CURRENCY|DEC(IMAL)?|NUM(ERIC|BER)?|FIXED|REAL|FLOAT[0-9]*|DOUBLE|YEAR|BIT|BOOL(EAN)?|JSONB?)\b|"
    r"(DATE|TIME|DATETIME|TIMESTAMP)(_CHAR)?\s*(\(|$)|.*(CHAR|CLOB|TEXT|BLOB)",
    re.IGNORECASE,
)
"""Declared types of SQLite columns that define their content: numbers, times, texts and bytes."""


@dataclass(frozen=True)
class Column:
    """A column of a table. ``type``: of a domain, the type below it. ``filled``: the database fills it if a row has no
    value. ``generated``: it accepts no other value."""

    type: TypeEngine[Any]
    nullable: bool
    filled: bool
    generated: bool


class Reflected:
    """One table of the database: its columns, unique sets and foreign keys. Raises TargetError if it does not exist."""

    def __init__(
        self, connection: sa.Connection, inspector: sa.Inspector, name: str, schema: str | None, target: str, role: str
    ) -> None:
        self.name = name
        self.backend = connection.dialect.name
        self.cannot_insert: tuple[str, ...] = ()
        self._place = f"target {target}: table `{name}`"
        views = inspector.get_view_names(schema)
        if not inspector.has_table(name, schema) and name not in views:
            names = [*inspector.get_table_names(schema), *views]
            raise TargetError(
                f"{self._place} does not exist{_nearest(name, names)}",
                f"name the table of {role} under `tables`, or let usersyncd create it: create_tables: true",
            )
        self.is_view = name in views
        read = inspector.get_columns(name, schema)
        self.columns = {_name(self.backend, column["name"]): _column(column) for column in read}
        if self.backend == "sqlite":
            for loose, kind in _sqlite_loose(connection, name, schema):
                self.columns[loose] = replace(self.columns[loose], type=kind)
        self.padded = frozenset(name for name, column in self.columns.items() if isinstance(column.type, sa.CHAR))
        # Statements use a table without types: usersyncd converts the values, not SQLAlchemy.
        self.light = sa.table(name, *map(sa.column, self.columns), schema=schema)
        self.has_on_conflict = self.backend == "sqlite" and _has_on_conflict(connection, self.light)
        types = {name: column.type for name, column in self.columns.items()}
        self.comparisons: Mapping[str, Comparison] = comparisons(connection, self.light, types)
        unique = _sqlite_uniques(connection, self.light) if self.backend == "sqlite" else ()
        reported = (tuple(_name(self.backend, column) for column in some) for some in _uniques(inspector, name, schema))
        self.uniques = list(dict.fromkeys([*reported, *unique]))
        self.foreign_keys = inspector.get_foreign_keys(name, schema)
        for key in self.foreign_keys:
            for end in ("constrained_columns", "referred_columns"):
                key[end] = [_name(self.backend, column) for column in key[end]]
        self.referenced: frozenset[str] | None = None
        """The columns to which foreign keys refer; None: not read yet."""
        primary = inspector.get_pk_constraint(name, schema)["constrained_columns"]
        self.primary_key: tuple[str, ...] = tuple(_name(self.backend, column) for column in primary)

    def column(self, name: str, remedy: str, why: str = "") -> Column:
        """The column of this name. Raises TargetError with the nearest name if the table has none."""
        if name in self.columns:
            return self.columns[name]
        raise TargetError(f"{self._place} has no column `{name}`{why}{_nearest(name, self.columns)}", remedy)

    def is_unique(self, columns: Iterable[str]) -> bool:
        """Whether a unique constraint covers these columns."""
        wanted = set(columns)
        return any(wanted.issuperset(unique) for unique in self.uniques)

    def stored(self, column: str, value: Any) -> Any:
        """A value without the spaces with which PostgreSQL pads CHAR."""
        return value.rstrip(" ") if column in self.padded and isinstance(value, str) else value

    def agrees(self, columns: Sequence[str], found: Sequence[Any], asked: Row) -> bool:
        """Whether the found values are exactly the requested ones, independent of the collation."""
        return tuple(found) == asked or all(
            self._agree(c, self.stored(c, f), self.stored(c, a)) for c, f, a in zip(columns, found, asked, strict=True)
        )

    def _agree(self, column: str, found: Any, asked: Any) -> bool:
        """Whether two values are equal, also if the driver reads another type than it writes, as for INET."""
        if found == asked or type(found) is type(asked):
            return bool(found == asked)
        convert = json_converter(self.columns[column].type)
        return convert is not None and str(convert(found)) == str(convert(asked))

    def why_no_insert(self) -> str:
        """The message for a table with ``cannot_insert``."""
        columns = ", ".join(f"`{column}`" for column in self.cannot_insert)
        return f"table `{self.name}` accepts no new row without {columns}, which no rule sets: add a default"

    def required(self, written: Iterable[str]) -> tuple[str, ...]:
        """The NOT NULL columns without a default that are not written. With one of them, no row can be inserted."""
        counted = self.columns[self.primary_key[0]] if len(self.primary_key) == 1 else None
        return tuple(
            name
            for name, column in self.columns.items()
            if name not in set(written)
            and not column.nullable
            and not column.filled
            # SQLite fills an INTEGER PRIMARY KEY with the row number.
            and not (self.backend == "sqlite" and column is counted and isinstance(column.type, sa.Integer))
        )


def _name(backend: str, name: str) -> str:
    """The name of a column. For MariaDB and MySQL, SQLAlchemy returns it as in SHOW CREATE TABLE."""
    return name.replace("``", "`") if backend in ("mysql", "mariadb") else name


def _column(found: ReflectedColumn) -> Column:
    filled = found["default"] is not None or found.get("autoincrement") is True or "identity" in found
    kind, nullable = found["type"], found["nullable"]
    while isinstance(kind, DOMAIN):
        nullable, filled = nullable and not kind.not_null, filled or kind.default is not None
        kind = kind.data_type
    always = "identity" in found and found["identity"]["always"]
    return Column(kind, nullable, filled or "computed" in found, always or "computed" in found)


def _uniques(inspector: sa.Inspector, name: str, schema: str | None) -> Iterable[tuple[str, ...]]:
    if primary := inspector.get_pk_constraint(name, schema)["constrained_columns"]:
        yield tuple(primary)
    for unique in inspector.get_unique_constraints(name, schema):
        yield tuple(unique["column_names"])
    for index in inspector.get_indexes(name, schema):
        partial = any(key.endswith("_where") for key in index.get("dialect_options", {}))
        columns = index["column_names"]
        if index["unique"] and not partial and None not in columns:
            yield tuple(str(column) for column in columns)


def _sqlite_loose(connection: sa.Connection, name: str, schema: str | None) -> Iterable[tuple[str, TypeEngine[Any]]]:
    """The columns of an SQLite table with a type that neither SQLite nor SQLAlchemy knows, such as UUID and INET.
    SQLAlchemy treats them as numbers, like SQLite, which also stores other values there. In a STRICT table, ANY stores
    everything unchanged."""
    asked = (name, schema or "main")
    listed = "SELECT strict FROM pragma_table_list WHERE lower(name) = lower(?) AND schema = ?"
    knows_strict = (connection.dialect.server_version_info or ()) >= (3, 37)
    strict = knows_strict and connection.exec_driver_sql(listed, asked).scalar()
    found = connection.exec_driver_sql("SELECT name, type FROM pragma_table_xinfo(?, ?)", asked)
    return [
        (column, sa.types.NullType() if strict else Loose())
        for column, declared in found
        if declared and not SQLITE_KNOWN.match(declared)
    ]


def _has_on_conflict(connection: sa.Connection, table: sa.TableClause) -> bool:
    """Whether a constraint of an SQLite table may have ``ON CONFLICT``. REPLACE deletes the other row, ROLLBACK undoes
    the transaction, IGNORE hides the conflict."""
    quote = connection.dialect.identifier_preparer.quote
    schema = quote("main" if table.schema is None else table.schema)
    query = f"SELECT 1 FROM {schema}.sqlite_master WHERE lower(name) = lower(?) AND sql LIKE '%CONFLICT%'"  # noqa: S608
    return connection.exec_driver_sql(query, (table.name,)).first() is not None


def _sqlite_uniques(connection: sa.Connection, table: sa.TableClause) -> Iterable[tuple[str, ...]]:
    """The unique sets of an SQLite table. SQLAlchemy parses the CREATE TABLE text and misses some."""
    schema = "main" if table.schema is None else table.schema
    listed = 'SELECT name FROM pragma_index_list(?, ?) WHERE "unique" AND NOT partial'
    for (index,) in connection.exec_driver_sql(listed, (table.name, schema)).all():
        columns = "SELECT name FROM pragma_index_info(?, ?) ORDER BY seqno"
        names = [name for (name,) in connection.exec_driver_sql(columns, (index, schema))]
        if None not in names:
            yield tuple(names)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=1)
    return f"; the nearest is `{near[0]}`" if near else ""
