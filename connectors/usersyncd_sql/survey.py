"""The report of `usersyncd check --online` on a database. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Layout, TargetContext
from usersyncd_sql import own, rights
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.engine import sqlite_file
from usersyncd_sql.hidden import REMEDY, may_hide
from usersyncd_sql.membership_table import MembershipTable
from usersyncd_sql.tables import RecordTable

PRODUCTS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}

ROWS = 1_000
"""Rows per fetch."""


def survey(engine: Engine, url: str, catalog: Catalog, context: TargetContext) -> Iterator[str]:
    """One line each for the server and its tables. Raises TargetError if a table is missing or does not fit. ``url``:
    as the admin wrote it, without a password."""
    tables = {table.name: table for table in catalog.own()}
    if (file := sqlite_file(engine.url)) is not None and not file.exists():
        if not tables:
            must_exist(file, catalog.target)
        yield f"SQLite: {file} would be created"
        yield from (_to_create(table) for table in tables.values())
        return
    with engine.connect() as connection:
        yield f"{_server(connection)} at {url}"
        rights.verify_writable(connection, catalog.target)
        rights.verify_schema(connection, catalog.schema, catalog.target)
        unfinished = False
        for kind in Kind:
            name = catalog.names[kind]
            if catalog.left_out(connection, f"{kind}s", name):
                yield f"{kind}s: no table named; changes of {kind}s cannot be delivered"
                unfinished = True
            elif name in tables and (line := _unfinished(connection, tables[name], catalog)):
                yield line
                unfinished = True
            else:
                table = catalog.records(connection, kind)
                _constants_fit(table, catalog.layouts[kind], catalog.target)
                yield _found(connection, table, catalog.target)
                if context.protection_reads(kind):
                    count = _protected(connection, table, context)
                    yield f"the condition under `protect` covers {count:,} of these rows"
        name = catalog.edges_name
        if catalog.left_out(connection, "memberships", name):
            yield "memberships: no table named; memberships cannot be delivered"
        elif name in tables and (line := _unfinished(connection, tables[name], catalog)):
            yield line
        elif unfinished:
            yield f"memberships: table `{name}` exists"
        else:
            yield _found(connection, catalog.edges(connection), catalog.target)


def must_exist(file: Path, target: str) -> None:
    """Raises TargetError if an SQLite file is missing and usersyncd may not create it. SQLite would create an empty
    one."""
    if not file.exists():
        raise TargetError(
            f"target {target}: there is no database {file}",
            "correct the path, or let usersyncd create it: create_tables: true",
        )


def _server(connection: sa.Connection) -> str:
    dialect = connection.dialect
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    version = ".".join(str(part) for part in (dialect.server_version_info or ()) if isinstance(part, int))
    return f"{PRODUCTS[name]} {version}"


def _to_create(table: sa.Table) -> str:
    return f"table `{table.name}` would be created: {', '.join(column.name for column in table.columns)}"


def _unfinished(connection: sa.Connection, table: sa.Table, catalog: Catalog) -> str | None:
    """The line for a table that a run would create or extend; None if it is complete."""
    if not catalog.has(connection, table.name):
        rights.verify_creation(connection, table.schema, catalog.target)
        return _to_create(table)
    inspector = sa.inspect(connection)
    own.verify_key(inspector, table, catalog.target)
    existing = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
    missing = [column.name for column in table.columns if column.name not in existing]
    return f"table `{table.name}` would be extended by {', '.join(missing)}" if missing else None


def _found(connection: sa.Connection, table: RecordTable | MembershipTable, target: str) -> str:
    rights.verify(connection, table, table.written, target)
    rows = connection.execute(sa.select(sa.func.count()).select_from(table.light)).scalar_one()
    if isinstance(table, MembershipTable):
        what = f"group in `{table.group}`, member in `{table.user}`"
    else:
        what = f"writes {', '.join(table.written)}; {_identity(table)}"
    warning = f"; {table.why_no_insert()}" if table.cannot_insert else ""
    if may_hide(connection, table):
        warning += f"; row-level security may hide rows, and changes of rows that are not found are refused: {REMEDY}"
    if not rights.knows_savepoints(connection, table):
        warning += f"; its engine cannot undo a refused row, which then affects others: {_as_innodb(connection, table)}"
    return f"table `{table.name}`: {rows:,} {'row' if rows == 1 else 'rows'}; {what}{warning}"


def _as_innodb(connection: sa.Connection, table: RecordTable | MembershipTable) -> str:
    return f"ALTER TABLE {connection.dialect.identifier_preparer.format_table(table.light)} ENGINE = InnoDB"


def _protected(connection: sa.Connection, table: RecordTable, context: TargetContext) -> int:
    """How many rows ``protect`` covers. Reads all of them."""
    columns = table.looked_at(whole=True)
    query = sa.select(*(table.light.c[column] for column in columns))
    rows = connection.execute(query, execution_options={"stream_results": True, "yield_per": ROWS})
    held = (table.held(dict(zip(columns, row, strict=True)), whole=True) for row in rows)
    return sum(context.protected(table.kind, one.key, one.attributes) for one in held)


def _identity(table: RecordTable) -> str:
    named = ", ".join(f"`{column}`" for column in table.identity)
    if table.identity != (table.key,):
        return f"rows are identified by {named}"
    return (
        f"rows are identified by {named} alone, the key: if it can change, an exchange between two records is "
        "refused, and a change that a crash interrupted may need a manual correction"
    )


def _constants_fit(table: RecordTable, layout: Layout, target: str) -> None:
    """Raises TargetError if a constant under ``set`` does not fit its column."""
    for name, value in layout.constants.items():
        if (why := table.misfit(name, value)) is not None:
            raise TargetError(
                f"target {target}: table `{table.name}`: the constant {name} does not fit: {why}",
                f"correct `{name}` under `set` of the target's {table.kind}s",
            )
