"""Builds an engine from a URL: drivers, and the settings of each connection."""

from __future__ import annotations

import sqlite3
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from usersyncd.errors import PluginError
from usersyncd_sql.options import SCHEMES

# An application may have types and indexes that SQLAlchemy does not know. usersyncd does not need them.
UNKNOWN = "Did not recognize type|Skipped unsupported reflection|Predicate of"
warnings.filterwarnings("ignore", UNKNOWN, sa.exc.SAWarning)

EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql"}
CONNECT_SECONDS = 10
BUSY_SECONDS = 30
"""How long SQLite waits for another writer."""
LOCK_SECONDS = 10
"""How long a server lets a statement wait for a lock."""
ISOLATION = "READ COMMITTED"
"""Set independent of the database's default: at a higher level, a change by the application fails the whole batch."""


def driver_url(text: str, folder: Path, password: str | None) -> URL:
    """The URL with driver and password; a relative SQLite path is resolved in ``folder``.

    Raises PluginError if the extra of the driver is not installed.
    """
    url = make_url(text)
    url = url.set(drivername=SCHEMES[url.drivername])
    driver = url.drivername.partition("+")[2]
    if driver and find_spec(driver) is None:
        extra = EXTRAS[driver]
        raise PluginError(f"{driver} is not installed", f"install the extra: pip install 'usersyncd[{extra}]'")
    if password is not None:
        url = url.set(password=password)
    if (path := sqlite_file(url)) is not None:
        url = url.set(database=str(folder / path))
    return url


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database; None for a server, and for a URI (``sqlite:///file:…?uri=true``)."""
    if url.get_backend_name() != "sqlite" or url.database is None or url.database.startswith("file:"):
        return None
    return Path(url.database)


def build(url: URL, *, own: bool) -> Engine:
    """An engine that connects lazily.

    ``own``: usersyncd creates the tables, so an SQLite file is set to WAL mode; otherwise its mode is kept.
    """
    backend = url.get_backend_name()
    if backend == "sqlite":
        engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        _sqlite(engine, own)
    elif backend == "postgresql":
        # Behind a pooler, a prepared statement could belong to another session.
        arguments: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS, "application_name": "usersyncd", "prepare_threshold": None
        }  # fmt: skip
        engine = sa.create_engine(url, connect_args=arguments, isolation_level=ISOLATION)
        _postgresql(engine)
    else:
        arguments = {"charset": "utf8mb4", "connect_timeout": CONNECT_SECONDS}
        # Rows are tuples, and PyMySQL writes many of them into one INSERT.
        engine = sa.create_engine(url, paramstyle="format", connect_args=arguments, isolation_level=ISOLATION)
        _mysql(engine)
    return engine


def _sqlite(engine: Engine, own: bool) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _record: object) -> None:
        # The sqlite3 module does not begin a transaction before DDL and SAVEPOINT, so `begin` below does.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("writes", False):
            if own:
                _set_wal(connection)
            # Taking the write lock at once waits for other writers; upgrading a read transaction fails instead.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("BEGIN")


def _set_wal(connection: sa.Connection) -> None:
    try:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    except sa.exc.OperationalError as error:
        # While another program writes, this fails without waiting. The next transaction tries again.
        if not isinstance(error.orig, sqlite3.OperationalError) or error.orig.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


def _postgresql(engine: Engine) -> None:
    from usersyncd_sql.lenient import register  # its driver comes with an extra

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        register(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # For this transaction only: behind a pooler, the next one may belong to another program.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


def _mysql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _record: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            # Without strict mode, the server truncates values that are too long.
            cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
            cursor.execute("SET SESSION time_zone = '+00:00'")
            # Locks of rows, and of tables that are being altered.
            cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}, lock_wait_timeout = {LOCK_SECONDS}")
