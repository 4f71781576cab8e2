"""The target's own tables: what they look like, and how they come to be.

They have no foreign keys: directories deliver in any order. On MariaDB/MySQL text is ``utf8mb4_bin``, so that ids which
differ in case stay apart, and key columns are VARCHAR(255): the longest three that fit one index (InnoDB: 3,072 bytes).
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


def record_table(name: str, schema: str | None, kind: Kind, layout: Layout) -> sa.Table:
    """The definition of the own table for one kind of record."""
    columns = columns_of(layout)
    key = columns[layout.key]
    parts: list[sa.Column[Any]] = [] if layout.ruled else [sa.Column(DIRECTORY, KEY, primary_key=True)]
    # The key first: that is the order of the primary key's columns.
    parts.append(sa.Column(key, KEY, primary_key=True))
    parts += [sa.Column(name, sa.Boolean() if name == ACTIVE else TEXT) for name in columns.values() if name != key]
    if not layout.ruled:
        if kind is Kind.USER:
            parts.append(sa.Column(DEACTIVATED_AT, MOMENT))
        parts.append(sa.Column(UPDATED_AT, MOMENT))
    return _table(name, schema, parts)


def edge_table(name: str, schema: str | None) -> sa.Table:
    """The definition of the own table of memberships: keys of group and member."""
    return _table(name, schema, [sa.Column(column, KEY, primary_key=True) for column in EDGE_COLUMNS])


def create(connection: sa.Connection, tables: Sequence[sa.Table], target: str) -> None:
    """Create what is missing: tables, and columns of tables that an earlier configuration created.

    Raises TargetError when a table of this name is there and is identified by something else."""
    for table in tables:
        inspector = sa.inspect(connection)
        if not inspector.has_table(table.name, table.schema):
            _create(connection, table)
        existing = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
        verify_key(inspector, table, target)
        for column in table.columns:
            if column.name not in existing:
                clause = CreateColumn(column).compile(dialect=connection.dialect)
                name = connection.dialect.identifier_preparer.format_table(table)
                connection.exec_driver_sql(f"ALTER TABLE {name} ADD COLUMN {clause}")


def verify_key(inspector: sa.Inspector, table: sa.Table, target: str) -> None:
    """Raises TargetError unless the table in the database has the primary key that ours has."""
    found = inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
    wanted = [column.name for column in table.primary_key]
    if set(found) != set(wanted):
        raise TargetError(
            f"target {target}: table `{table.name}` is there already, with the primary key ({', '.join(found)}) "
            f"and not ({', '.join(wanted)})",
            "name it under `tables` if it is your own, or drop it if usersyncd made it for an earlier configuration",
        )


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
