"""The identity of a target, independent of its name in the configuration: server, database and tables."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL

from usersyncd.plugin import Kind
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.own import MYSQL


def identity(connection: sa.Connection, url: URL, catalog: Catalog) -> str:
    """Server, database, schema and tables, as JSON."""
    if connection.dialect.name == "postgresql":
        server = _cluster(connection) or _address(url)
        asked = sa.text("SELECT current_database(), coalesce(:schema, current_schema())")
        database, schema = connection.execute(asked, {"schema": catalog.schema}).one()
        return _told("postgresql", server, database, schema, catalog)
    if connection.dialect.name in MYSQL:
        database = catalog.schema or connection.execute(sa.text("SELECT database()")).scalar_one()
        return _told("mysql", _server_id(connection) or _address(url), database, None, catalog)
    files = connection.exec_driver_sql("PRAGMA database_list").all()
    return of_file(Path(next(file for _, name, file in files if name == "main")), catalog)


def of_file(file: Path, catalog: Catalog) -> str:
    """The identity of an SQLite database, which need not exist yet."""
    return _told("sqlite", None, str(file.resolve()), catalog.schema, catalog)


def _told(backend: str, server: str | None, database: str, schema: str | None, catalog: Catalog) -> str:
    tables = [catalog.names[Kind.USER], catalog.names[Kind.GROUP], catalog.edges_name]
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
