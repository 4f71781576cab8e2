"""The identity of a target, independent of its name in the configuration: server, database and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from usersyncd.plugin import Kind
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.own import MYSQL

Database = tuple[str, str | None, str, str | None]
"""Backend, server, database and schema."""


def identity(connection: sa.Connection, url: URL, catalog: Catalog) -> str:
    """Server, database, schema and tables, as JSON."""
    tables = [catalog.names[Kind.USER], catalog.names[Kind.GROUP], catalog.edges_name]
    return _as_json(*_database(connection, url, catalog), tables=tables)


def places(connection: sa.Connection, url: URL, catalog: Catalog) -> dict[Kind, str]:
    """For each kind that has a table: server, database, schema and table, as JSON."""
    known = _database(connection, url, catalog)
    return {
        kind: _as_json(*known, tables=[name])
        for kind, name in catalog.names.items()
        if not catalog.left_out(connection, f"{kind}s", name)
    }


def _database(connection: sa.Connection, url: URL, catalog: Catalog) -> Database:
    if connection.dialect.name == "postgresql":
        server = _cluster(connection) or _address(url)
        asked = sa.text("SELECT current_database(), coalesce(:schema, current_schema())")
        database, schema = connection.execute(asked, {"schema": catalog.schema}).one()
        return "postgresql", server, database, schema
    if connection.dialect.name in MYSQL:
        database = catalog.schema or connection.execute(sa.text("SELECT database()")).scalar_one()
        return "mysql", _server_id(connection) or _address(url), database, None
    files = connection.exec_driver_sql("PRAGMA database_list").all()
    return _of_file(Path(next(file for _, name, file in files if name == "main")), catalog)


def identity_of_file(file: Path, catalog: Catalog) -> str:
    """The identity of an SQLite database that does not exist yet."""
    return _as_json(*_of_file(file, catalog), tables=[*catalog.names.values(), catalog.edges_name])


def places_of_file(file: Path, catalog: Catalog) -> dict[Kind, str]:
    """The places of the tables that usersyncd will create there."""
    return {kind: _as_json(*_of_file(file, catalog), tables=[name]) for kind, name in catalog.names.items()}


def _of_file(file: Path, catalog: Catalog) -> Database:
    return "sqlite", None, str(file.resolve()), catalog.schema


def _as_json(backend: str, server: str | None, database: str, schema: str | None, tables: Sequence[str]) -> str:
    what = {"backend": backend, "server": server, "database": database, "schema": schema, "tables": tables}
    return json.dumps({name: value for name, value in what.items() if value is not None}, ensure_ascii=False)


def _address(url: URL) -> str:
    return f"{url.host}:{url.port or {'postgresql': 5432}.get(url.get_backend_name(), 3306)}"


def _cluster(connection: sa.Connection) -> str | None:
    may = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')"
    if not connection.exec_driver_sql(may).scalar_one():
        return None
    return str(connection.exec_driver_sql("SELECT system_identifier FROM pg_control_system()").scalar_one())


def _server_id(connection: sa.Connection) -> str | None:
    names = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('server_uuid', 'server_uid')"
    found = connection.exec_driver_sql(names).all()
    return str(found[0][1]) if found else None
