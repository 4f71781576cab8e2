"""The target's own tables: what they look like, and how they come to be.

A row is identified by its record: directory and id. They have no foreign keys: directories deliver in any order. On
MariaDB/MySQL text is ``utf8mb4_bin``, so that ids which differ in case stay apart, and key columns are VARCHAR(255):
the longest three that fit one index (InnoDB: 3,072 bytes).
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
"""Whose a row is, in a table whose columns are the admin's."""
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

    ``updated_at`` is when the row was written, so the directory's own ``updatedAt`` has no column.
    """
    if layout.ruled:
        return {name: name for name in layout.attributes}
    return {name: snake for name in layout.attributes if (snake := snake_case(name)) != UPDATED_AT}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def record_table(name: str, schema: str | None, kind: Kind, layout: Layout, target: str) -> sa.Table:
    """The definition of the own table for one kind of record. Raises TargetError when rules set the columns that say
    whose a row is."""
    columns = columns_of(layout)
    key = columns[layout.key]
    if not layout.ruled:
        # The key first: that is the order of the primary key's columns.
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
            f"target {target}: `set` of the {kind}s names `{taken[0]}`, which says whose a row is in a table that "
            "usersyncd makes",
            "give the column another name, or name a table of your own under `tables`",
        )
    parts = [sa.Column(key, KEY, unique=True, nullable=False)]
    parts += [_attribute(column) for column in columns.values() if column != key]
    return _table(name, schema, [*parts, *(sa.Column(column, KEY, primary_key=True) for column in RECORD)])


def _attribute(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean() if name == ACTIVE else TEXT)


def edge_table(name: str, schema: str | None) -> sa.Table:
    """The definition of the own table of memberships: the ids of group and member in their directory."""
    return _table(name, schema, [sa.Column(column, KEY, primary_key=True) for column in EDGE_COLUMNS])


def create(connection: sa.Connection, tables: Sequence[sa.Table], target: str) -> None:
    """Create what is missing: tables, and columns of tables that an earlier configuration created.

    Raises TargetError when a table of this name is there and is identified by something else."""
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
    """Raises TargetError unless the table in the database has the primary key that ours has, or that the last release
    gave it: the key."""
    found = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    wanted = [column.name for column in table.primary_key]
    keys = [column.name for column in table.columns if column.unique]
    uniques = [set(found), *(set(some["column_names"]) for some in _uniques(inspector, table))]
    if (set(found) == set(wanted) and (not keys or set(keys) in uniques)) or (keys and found == keys):
        return
    raise TargetError(
        f"target {target}: table `{table.name}` is there already, with the primary key ({', '.join(found)}) "
        f"and not ({', '.join(wanted)}){f', with `{keys[0]}` unique' if keys else ''}",
        "name it under `tables` if it is your own, or drop it if usersyncd made it for an earlier configuration",
    )


def is_of_last_release(inspector: sa.Inspector, table: sa.Table) -> bool:
    """Whether a table with rules was made when its key identified a row."""
    found = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    return bool(found) and found == [column.name for column in table.columns if column.unique]


def _uniques(inspector: sa.Inspector, table: sa.Table) -> list[Any]:
    indexes = [index for index in inspector.get_indexes(table.name, table.schema) if index["unique"]]
    return [*inspector.get_unique_constraints(table.name, table.schema), *indexes]


def _extend(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """Add a column, which may be NULL in the rows that are there."""
    loose = sa.Column(column.name, column.type)
    clause = CreateColumn(loose).compile(dialect=connection.dialect)
    name = connection.dialect.identifier_preparer.format_table(table)
    connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {clause}")


def _create(connection: sa.Connection, table: sa.Table) -> None:
    try:
        with connection.begin_nested():
            connection.execute(CreateTable(table, if_not_exists=True))
    except DBAPIError:
        # Another directory's run may have created it at the same moment.
        if not sa.inspect(connection).has_table(table.name, table.schema):
            raise


def _table(name: str, schema: str | None, columns: Sequence[sa.Column[Any]]) -> sa.Table:
    options: dict[str, Any] = {}
    for dialect in MYSQL:
        options |= {f"{dialect}_charset": "utf8mb4", f"{dialect}_collate": "utf8mb4_bin"}
    return sa.Table(name, sa.MetaData(), *columns, schema=schema, sqlite_with_rowid=False, **options)
