"""Opens the state database, SQLite (the default) or PostgreSQL, and brings it to the newest migration."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import BindParameter, Column, Engine, bindparam, create_engine, event, func, inspect, select, text
from sqlalchemy import Connection as Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.sql import ColumnElement

from usersyncd.errors import ConfigError, PluginError, StateError

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""A long transaction in steps: it yields between them and returns its result at the end. If it is closed at a yield,
nothing is changed."""

PAGE_SIZE = 16_384
"""Bytes of a page of SQLite: with 4,096, the big tables need a third more time and space."""
LOG_SIZE = 64 << 20
"""Bytes after which SQLite copies its log into the file."""
BUSY_SECONDS = 60
"""How long SQLite waits for another writer."""
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000,
}  # fmt: skip
"""How long a PostgreSQL server may be silent, so that no run waits for ever: seconds, and milliseconds for
``tcp_user_timeout`` (postgresql.org/docs/current/libpq-connect.html). The URL of the database may set other values."""
NEWEST = "0014"
"""The newest migration."""
MIGRATING = 0x7573796D
"""The number of the advisory lock under which a PostgreSQL database is migrated."""

_POOL: dict[str, Any] = {"pool_size": 5, "max_overflow": -1}
"""Connections that stay open between transactions; more are opened when they are needed, and closed afterwards."""
_AGAIN = "nothing was lost: once it can be read and written again, the next run goes on from the last saved state"
_BROKEN, _RESTORE = ("malformed", "not a database"), "restore it from a backup"
_REMEDIES = (
    (("disk is full", "no space left"), "free some space"),
    (
        ("readonly", "read-only", "permission", "unable to open"),
        "make it writable, with its folder, for the user who runs usersyncd",
    ),
    (_BROKEN, _RESTORE),
    (("no such table", 'relation "', 'database "'), "it was removed or replaced: restore it, and start again"),
)  # fmt: skip


class Database:
    """An open state database. Each transaction has a connection of its own."""

    def __init__(self, engine: Engine, pooled: Engine) -> None:
        """``pooled``: reuses its connections, and is used within :meth:`kept_open`; ``engine`` opens a new one each
        time."""
        self.engine = engine
        self.sqlite = engine.dialect.name == "sqlite"
        self.pooled = pooled
        self._keepers = 0
        self._counting = Lock()

    @property
    def file(self) -> Path:
        """The real path of an SQLite database, with symbolic links resolved. SQLite's other files are beside it."""
        return _real_path(self.engine.url)

    def __str__(self) -> str:
        url = self.engine.url
        return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading. It fetches results in pieces."""
        with self.reported(), self._connect() as connection:
            yield connection.execution_options(stream_results=True)

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """One transaction: everything in it is saved, or nothing. ``durable``: the commit waits for the disk, and
        survives a power loss (PostgreSQL always waits)."""
        with (
            self.reported(),
            self._connect() as connection,
            connection.execution_options(usersyncd_write=True, usersyncd_durable=durable).begin(),
        ):
            yield connection

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep connections open between transactions, for work that has many of them. A new connection to PostgreSQL
        costs milliseconds. Whenever the last connection to an SQLite database closes, SQLite copies its whole log into
        the file, and waits for the disk twice."""
        with self._counting:
            self._keepers += 1
        try:
            yield
        finally:
            with self._counting:
                self._keepers -= 1
                if not self._keepers:
                    self.pooled.dispose()

    def _connect(self) -> Connection:
        return (self.pooled if self._keepers else self.engine).connect()

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Turn errors of SQLAlchemy and of the driver into a StateError that says what to do."""
        try:
            yield
        except (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error) as error:
            cause = _cause(error)
            raise StateError(f"the state database {self} cannot be used: {cause}", _remedy(cause)) from error

    def close(self) -> None:
        self.engine.dispose()
        self.pooled.dispose()


def _cause(error: Exception) -> str:
    """The driver's message, in one line. It leaves out what may contain personal data: the statement, its parameters,
    and the further lines of a message of PostgreSQL."""
    original = getattr(error, "orig", None) or error
    text = str(original).strip() or type(error).__name__
    return text.splitlines()[0] if getattr(original, "sqlstate", None) else " ".join(text.split())


def _remedy(cause: str) -> str:
    cause = cause.lower()
    remedies = [remedy for words, remedy in _REMEDIES if any(word in cause for word in words)]
    return "; ".join((*remedies[:1], _AGAIN))


def open_database(url: str, password: str | None = None) -> Database:
    """Open the state database and bring it to the newest version.

    ``url`` is ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``. Raises ConfigError for any other URL, StateError
    if the database cannot be opened or was written by a newer usersyncd.
    """
    database = Database(*_engines(url, password))
    try:
        _connect_once(database)
        with database.reported():
            if not database.sqlite:
                _refuse_shared_sessions(database)
            _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _engines(url: str, password: str | None) -> tuple[Engine, Engine]:
    """An engine that opens a connection for each transaction, and one that keeps them in a pool."""
    try:
        parsed = make_url(url)
        name = parsed.get_backend_name()
        if name == "sqlite":
            return _sqlite(parsed)
        if name == "postgresql":
            own = parsed.set(drivername="postgresql+psycopg", password=password or parsed.password)
            patience = {name: value for name, value in PATIENCE.items() if name not in parsed.query}
            return (
                create_engine(own, poolclass=NullPool, connect_args=patience),
                create_engine(own, pool_pre_ping=True, connect_args=patience, **_POOL),
            )
    except (ArgumentError, NoSuchModuleError):
        name = url.partition(":")[0]
    except ModuleNotFoundError as error:
        raise PluginError(
            "a state database on PostgreSQL needs psycopg", "pip install 'usersyncd[postgresql]'"
        ) from error
    raise ConfigError(
        f"state: {name} is not a kind of state database", "write sqlite:///FILE or postgresql://USER@HOST/NAME"
    )


def _sqlite(url: URL) -> tuple[Engine, Engine]:
    if not url.database or url.database == ":memory:":
        raise ConfigError("state: a state database in memory ends with the process", "write sqlite:///FILE")
    file = _real_path(url)
    folder = file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"the folder of the state database, {folder}, cannot be created: {error.strerror}",
            "create it, writable for the user who runs usersyncd",
        ) from error
    _keep_private(file)
    _refuse_second_name(file)
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    pooled = create_engine(url, poolclass=QueuePool, connect_args=arguments, **_POOL)
    for each in (engine, pooled):
        _configure_sqlite(each)
    return engine, pooled


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: Any) -> None:
        # Python's sqlite3 would begin transactions itself, too late to take the write lock: `begun` begins them.
        connection.isolation_level = None
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")  # Only a new file takes it.
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # While another process writes, this fails at once instead of waiting. The next connection tries again.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-8000")
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA wal_autocheckpoint={LOG_SIZE // page}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail if another process wrote in between.
        options = connection.get_execution_options()
        write = options.get("usersyncd_write")
        durable = bool(options.get("usersyncd_durable"))
        if write and durable is not connection.info.get("durable", False):
            connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            connection.info["durable"] = durable
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _keep_private(file: Path) -> None:
    """Create the database file for its owner alone: SQLite would create it with the mode of the umask. SQLite gives its
    other files the same mode. Existing files that everyone may access are closed to all but their owner; a mode that
    admits only a group is left as it is."""
    with suppress(OSError):  # SQLite reports it with a better message.
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        with suppress(OSError):  # The file does not exist, or has another owner.
            path = file.with_name(name)
            mode = path.stat().st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IRWXO:
                path.chmod(0o600)


def _real_path(url: URL) -> Path:
    return Path(os.path.realpath(url.database or ""))


def _refuse_second_name(file: Path) -> None:
    """Raises StateError for a file with hard links: SQLite keeps a log and locks per name, so that two processes could
    corrupt the database (sqlite.org/howtocorrupt.html, section 2.5)."""
    with suppress(OSError):
        status = file.stat()
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            raise StateError(
                f"the state database {file} has {status.st_nlink} names (hard links), and a run under one does not see "
                "a run under another",
                f"remove all names but one (`find / -samefile {file}` shows them), or make the others symbolic links",
            )


def _connect_once(database: Database) -> None:
    try:
        with database.engine.connect():
            pass
    except SQLAlchemyError as error:
        cause = _cause(error)
        broken = any(word in cause for word in _BROKEN)
        raise StateError(
            f"the state database {database} cannot be opened: {cause}",
            _RESTORE
            if broken
            else "check that it exists, is reachable, and is writable for the user who runs usersyncd",
        ) from error


def _refuse_shared_sessions(database: Database) -> None:
    """Raises StateError if a pooler gives each transaction another session: an advisory lock belongs to a session."""
    pid = func.pg_backend_pid()
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(database.engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
            for _ in range(2)
        )
        driver: Any = first.connection.driver_connection
        if first.scalar(select(pid)) == driver.info.backend_pid:
            return  # There is no pooler: the session is the one that the server reported at connect.
        # In session mode, each connection keeps a session of its own. Each is asked twice in a row: if the questions
        # alternated, a pooler that hands out two sessions in turn would look the same.
        first_pids, second_pids = ({session.scalar(select(pid)) for _ in range(2)} for session in (first, second))
    if len(first_pids | second_pids) != 2 or len(first_pids) > 1:
        raise StateError(
            f"the state database {database} is behind a pooler that gives each transaction another session: the locks "
            "that keep two runs of one directory apart do not hold there",
            "connect to PostgreSQL itself, or through a pool in session mode (PgBouncer: pool_mode = session)",
        )


def _migrate(database: Database) -> None:
    with database.read() as connection:  # `usersyncd status` must not wait for a run that writes.
        current = _version(connection)
    if current == NEWEST:
        return
    from usersyncd.state.migrating import known, migrate  # Alembic takes as long to import as all the rest

    if current is not None and current not in known():
        raise StateError(
            f"the state database {database} is of version {current}, which a newer usersyncd has written; this one "
            f"knows {NEWEST}",
            "run the newer usersyncd again, or restore the state database from before the upgrade",
        )
    with database.write() as connection:
        if not database.sqlite:  # SQLite allows one writer at a time.
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATING})
        migrate(connection)


def _version(connection: Connection) -> str | None:
    """The last migration of the database, from Alembic's own table; None if the database is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def among(connection: Connection, column: Column[Any], values: list[Any]) -> ColumnElement[bool]:
    """The condition that ``column`` is one of ``values``. They are one parameter: SQLAlchemy would compile an IN list
    again for every length."""
    if connection.dialect.name == "sqlite":
        import msgspec

        listed: BindParameter[str] = bindparam("listed", msgspec.json.encode(values).decode(), unique=True)
        # As text: SQLAlchemy needs twice as long to build and compare the same condition as an expression.
        return column.in_(text("SELECT value FROM json_each(:listed)").bindparams(listed))
    from sqlalchemy import literal
    from sqlalchemy.dialects.postgresql import ARRAY

    return column == func.any(literal(values, ARRAY(column.type)))
