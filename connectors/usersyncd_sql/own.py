"""The tables that usersyncd creates: their definitions, creation and extension.

Directory and record id identify a row. There are no foreign keys, because directories deliver in any order. On
MariaDB/MySQL text is ``utf8mb4_bin``, which distinguishes ids by case, and key columns are VARCHAR(255): three of them
fit one index (InnoDB: 3,072 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn, CreateTable

from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Layout

DIRECTORY = "directory"
RECORD_ID = "record_id"
RECORD = (DIRECTORY, RECORD_ID)
"""The columns that identify the record of a row, in a table with ``set``."""
UPDATED_AT = "updated_at"
DEACTIVATED_AT = "deactivated_at"
ACTIVE = "active"
EDGE_GROUP = "group_id"
EDGE_MEMBER = "member_id"
EDGE_COLUMNS = (DIRECTORY, EDGE_GROUP, EDGE_MEMBER)

MYSQL = ("mysql", "mariadb")
KEY = sa.Text().with_variant(mysql.VARCHAR(255), *MYSQL)
TEXT = sa.Text()
MOMENT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *MYSQL)


def columns_of(layout: Layout) -> dict[str, str]:
    """Attribute -> column. Without ``set``, canonical names become snake_case.

    ``updated_at`` is the time at which the row was written, so the directory's ``updatedAt`` has no column.
    """
    if layout.ruled:
        return {name: name for name in layout.attributes}
    return {name: snake for name in layout.attributes if (snake := snake_case(name)) != UPDATED_AT}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def record_table(name: str, schema: str | None, kind: Kind, layout: Layout, target: str) -> sa.Table:
    """The definition of the table for one kind of record. Raises TargetError if the rules set the columns that identify
    a row's record."""
    columns = columns_of(layout)
    key = columns[layout.key]
    if not layout.ruled:
        # The key comes first: this is the column order of the primary key.
        parts: list[sa.Column[Any]] = [
            sa.Column(DIRECTORY, KEY, primary_key=True),
            sa.Column(key, KEY, primary_key=True),
        ]
        parts += [_attribute(column) for column in columns.values() if column != key]
        if kind is Kind.USER:
            parts.append(sa.Column(DEACTIVATED_AT, MOMENT))
        return _table(name, schema, [*parts, sa.Column(UPDATED_AT, MOMENT)])
    if taken := [column for column in RECORD if column in columns.values()]:
        raise TargetError(
            f"target {target}: `set` of the {kind}s names `{taken[0]}`: in a table that usersyncd creates, this "
            "column identifies the record of a row",
            "give the column another name, or name a table of your own under `tables`",
        )
    parts = [sa.Column(key, KEY, unique=True, nullable=False)]
    parts += [_attribute(column) for column in columns.values() if column != key]
    return _table(name, schema, [*parts, *(sa.Column(column, KEY, primary_key=True) for column in RECORD)])


def _attribute(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean() if name == ACTIVE else TEXT)


def edge_table(name: str, schema: str | None) -> sa.Table:
    """The definition of the membership table: directory, group id and member id."""
    return _table(name, schema, [sa.Column(column, KEY, primary_key=True) for column in EDGE_COLUMNS])


def create(connection: sa.Connection, tables: Sequence[sa.Table], target: str) -> None:
    """Create missing tables, and add missing columns to tables of an earlier configuration.

    Raises TargetError if a table of this name has another primary key.
    """
    for table in tables:
        inspector = sa.inspect(connection)
        if not inspector.has_table(table.name, table.schema):
            _create(connection, table)
            continue
        existing = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
        verify_key(inspector, table, target)
        for column in table.columns:
            if column.name not in existing:
                _extend(connection, table, column)


def verify_key(inspector: sa.Inspector, table: sa.Table, target: str) -> None:
    """Check the primary key of a table in the database. Raises TargetError if it is neither the defined one nor that of
    the last release, which was the key."""
    found = inspector.get_pk_constraint(str(table.name), table.schema)["constrained_columns"]
    wanted = [column.name for column in table.primary_key]
    keys = [column.name for column in table.columns if column.unique]
    uniques = [set(found), *(set(some["column_names"]) for some in _uniques(inspector, table))]
    if keys and found == keys:
        return
    if set(found) != set(wanted):
        raise TargetError(
            f"target {target}: table `{table.name}` already exists with the primary key ({', '.join(found)}), "
            f"not ({', '.join(wanted)})",
            "if it is your own table, name it under `tables`; if usersyncd created it, restore the `key` and `set` of "
            "that time, or deliver to another database",
        )
    if keys and set(keys) not in uniques:
        former = sorted(column for unique in uniques if len(unique) == 1 for column in unique)
        raise TargetError(
            f"target {target}: the `key` of table `{table.name}` is now `{keys[0]}`, which is not unique there",
            f"restore `key: {former[0] if former else '…'}`, or make the column unique yourself: "
            f"{_make_unique(inspector, table, keys[0])}",
        )


def _make_unique(inspector: sa.Inspector, table: sa.Table, column: str) -> str:
    """The SQL that makes a column unique, and adds it if it is missing."""
    quote, name = inspector.dialect.identifier_preparer.quote, table.name
    typed = f"{quote(column)} {KEY.compile(dialect=inspector.dialect)}"
    statements = [f"CREATE UNIQUE INDEX {quote(f'{name}_{column}')} ON {quote(name)} ({quote(column)})"]
    if column not in {found["name"] for found in inspector.get_columns(name, table.schema)}:
        statements.insert(0, f"ALTER TABLE {quote(name)} ADD COLUMN {typed}")
    elif inspector.dialect.name in MYSQL:
        statements.insert(0, f"ALTER TABLE {quote(name)} MODIFY {typed}")  # An index on TEXT needs a length.
    return "; ".join(statements)


def is_of_last_release(inspector: sa.Inspector, table: sa.Table) -> bool:
    """Whether the last release created this table, with the key as its primary key."""
    found = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    return bool(found) and found == [column.name for column in table.columns if column.unique]


def _uniques(inspector: sa.Inspector, table: sa.Table) -> list[Any]:
    name = str(table.name)  # The inspector would cache the quoted name separately, and query again.
    indexes = [index for index in inspector.get_indexes(name, table.schema) if index["unique"]]
    return [*inspector.get_unique_constraints(name, table.schema), *indexes]


def _extend(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """Add a column, which is NULL in existing rows."""
    loose = sa.Column(column.name, column.type)
    clause = CreateColumn(loose).compile(dialect=connection.dialect)
    name = connection.dialect.identifier_preparer.format_table(table)
    connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {clause}")


def _create(connection: sa.Connection, table: sa.Table) -> None:
    try:
        with connection.begin_nested():
            connection.execute(CreateTable(table, if_not_exists=True))
    except DBAPIError:
        # The run of another directory may have created the table at the same time.
        if not sa.inspect(connection).has_table(table.name, table.schema):
            raise


def _table(name: str, schema: str | None, columns: Sequence[sa.Column[Any]]) -> sa.Table:
    options: dict[str, Any] = {}
    for dialect in MYSQL:
        options |= {f"{dialect}_charset": "utf8mb4", f"{dialect}_collate": "utf8mb4_bin"}
    return sa.Table(name, sa.MetaData(), *columns, schema=schema, sqlite_with_rowid=False, **options)
