"""The SQL target: one transaction for each batch of changes. Outcomes are returned after the commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from usersyncd.errors import TargetError
from usersyncd.plugin import (
    API,
    Capabilities,
    Change,
    Creates,
    Edge,
    Held,
    Kind,
    Lookup,
    Op,
    Outcome,
    TargetContext,
    Value,
)
from usersyncd_sql import equivalence, listing, memberships, own, reading, server, upgrade
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.creates import create
from usersyncd_sql.deletes import delete
from usersyncd_sql.engine import build, driver_url, sqlite_file
from usersyncd_sql.faults import busy, driver_error, is_busy, target_error
from usersyncd_sql.mysql import MysqlWriter
from usersyncd_sql.new_rows import insert_together
from usersyncd_sql.options import SqlOptions
from usersyncd_sql.protected import protected_member
from usersyncd_sql.rename import Renamed, rename
from usersyncd_sql.repeat import repeated
from usersyncd_sql.savepoint import Undone
from usersyncd_sql.survey import must_exist, survey
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.updates import update
from usersyncd_sql.write import Writer

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Look = Callable[[Writer, RecordTable, Sequence[Asked], bool], Iterator[Answer]]

LOOK = 10_000
"""Keys or target ids in one query."""


class SqlTarget:
    """Delivers to PostgreSQL, MariaDB/MySQL or SQLite."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = SqlOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        rename=True, reuses_ids=True, list=True, members=True, count=True, forms=True, places=True, ids=True
    )

    def __init__(self, options: SqlOptions, context: TargetContext) -> None:
        """Raises PluginError if the driver of the database is not installed."""
        password = context.secret(options.password) if options.password else None
        self._url = driver_url(options.url, context.folder, password)
        self._engine = build(self._url, own=options.create_tables)
        self._written = make_url(options.url).render_as_string(hide_password=True)
        """The URL as the admin wrote it."""
        self._catalog = Catalog(options, context.layouts, context.name)
        self._create = options.create_tables
        self._context = context
        self._known: dict[str, listing.Known] = {}
        """The cache of looked-up members, by directory; cleared when something is written."""

    async def identity(self) -> str:
        """Server, database and tables. Raises TargetError if they cannot be read or the shapes do not fit."""
        return "".join([text async for text in self._context.blocking(self._identity)])

    async def places(self) -> Mapping[Kind, str]:
        """For each kind that has a table: server, database and this table. Raises TargetError."""
        return dict([one async for one in self._context.blocking(self._places)])

    async def prepare(self) -> None:
        """Create, extend and upgrade the tables of usersyncd. Raises TargetError."""
        async for _ in self._context.blocking(self._prepare):
            pass

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        """The rows with these keys, and the rows that name these records. Raises TargetError."""
        async for some in self._context.blocking(lambda: self._look(kind, lookups, reading.find)):
            for found in some:
                yield found

    async def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        """The rows with these target ids. Raises TargetError."""
        async for some in self._context.blocking(lambda: self._look(kind, target_ids, self._read)):
            for held in some:
                yield held

    async def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        """The memberships of these groups. Raises TargetError."""
        async for some in self._context.blocking(lambda: self._members(groups)):
            yield some

    async def count(self, kind: Kind, directory: str) -> int | None:
        """How many rows belong to records of a directory; None: the table does not store that. Raises TargetError."""
        found = [number async for number in self._context.blocking(lambda: self._count(kind, directory))]
        return found[0] if found else None

    async def ids(self, kind: Kind, directory: str) -> AsyncIterator[Sequence[str]]:
        """The record ids of the rows of a directory. Raises TargetError."""
        async for some in self._context.blocking(lambda: self._ids(kind, directory)):
            yield some

    def is_same(self, kind: Kind, attribute: str, written: Value, held: Value) -> bool:
        """Whether a value that was read is only another form of the written value."""
        table = self._catalog.known(kind)
        return table is not None and equivalence.is_same(table, attribute, written, held)

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Deliver a batch in one transaction. Raises TargetError if the database cannot be written."""
        if not changes:
            return
        async for outcomes in self._context.blocking(lambda: self._deliver(changes)):
            for outcome in outcomes:
                yield outcome

    async def rename(self, old: str, new: str, target_ids: Mapping[Kind, Sequence[str]]) -> Renamed:
        """Write the new name of a directory into its rows, in one transaction. Raises TargetError."""
        found: Renamed = {}
        async for renamed in self._context.blocking(lambda: self._rename(old, new, target_ids)):
            found = renamed
        return found

    async def check(self) -> Sequence[str]:
        """Report server, tables, columns and rows. Raises TargetError if the shapes do not fit."""
        return [line async for line in self._context.blocking(self._check)]

    async def close(self) -> None:
        self._engine.dispose()

    def _identity(self) -> Iterator[str]:
        with self._faults():
            own_tables = self._catalog.own()
            if (file := sqlite_file(self._url)) is not None and not file.exists():
                if not own_tables:
                    must_exist(file, self._context.name)
                yield server.identity_of_file(file, self._catalog)
                return
            with self._engine.connect() as connection:
                self._catalog.verify(connection)
                self._verify_protection(connection)
                yield server.identity(connection, self._url, self._catalog)

    def _places(self) -> Iterator[tuple[Kind, str]]:
        with self._faults():
            if (file := sqlite_file(self._url)) is not None and not file.exists():
                yield from server.places_of_file(file, self._catalog).items()
                return
            with self._engine.connect() as connection:
                yield from server.places(connection, self._url, self._catalog).items()

    def _verify_protection(self, connection: sa.Connection) -> None:
        """Raises TargetError if a condition under ``protect`` reads a missing column: it would protect no object."""
        for kind in Kind:
            if (table := self._catalog.records_if_any(connection, kind)) is None:
                continue
            for column in sorted(self._context.protection_reads(kind)):
                table.column(column, "correct the condition under `protect`")

    def _prepare(self) -> Iterator[None]:
        """Create the tables, and for SQLite the folder and the file."""
        with self._faults():
            if (file := sqlite_file(self._url)) is not None:
                if self._create:
                    file.parent.mkdir(parents=True, exist_ok=True)
                else:
                    must_exist(file, self._context.name)
            with self._writing() as connection:
                earlier = upgrade.of_last_release(connection, self._catalog)
                if not self._catalog.is_whole():
                    own.create(connection, self._catalog.own(), self._context.name)
                    self._catalog.forget()
                if earlier:
                    upgrade.rewrite(writer(connection), self._catalog, earlier, self._context.unlinked)
                    upgrade.index(connection, self._catalog, earlier)
                    self._catalog.forget()
        yield from ()

    def _look(self, kind: Kind, asked: Sequence[Asked], work: Look[Asked, Answer]) -> Iterator[list[Answer]]:
        if not self._is_made():
            return
        whole = self._context.protects(kind)
        with self._faults(), self._engine.connect() as connection:
            table = self._catalog.records_or_none_yet(connection, kind)
            if table is not None and _has_rows(connection, table):
                for start in range(0, len(asked), LOOK):
                    yield list(work(writer(connection), table, asked[start : start + LOOK], whole))

    def _read(self, writer: Writer, table: RecordTable, target_ids: Sequence[str], whole: bool) -> Iterator[Held]:
        def member_of(row: Mapping[str, Any]) -> str | int | None:
            directory = str(row.get(own.DIRECTORY))
            return protected_member(writer, self._catalog, self._context, table, directory, row)

        return reading.read(writer, table, target_ids, whole, member_of)

    def _list(self, kind: Kind) -> Iterator[list[Held]]:
        if not self._is_made():
            return
        with self._faults(), self._engine.connect() as connection:
            if (table := self._catalog.records_if_any(connection, kind)) is not None:
                yield from listing.rows(connection, table, whole=self._context.protects(kind))

    def _members(self, groups: Sequence[str]) -> Iterator[list[Edge]]:
        if not self._is_made():
            return
        with self._faults(), self._engine.connect() as connection:
            if None in [self._catalog.records_if_any(connection, kind) for kind in Kind]:
                return
            if (edges := self._catalog.edges_if_any(connection)) is not None:
                yield from listing.MembershipReader(writer(connection), self._catalog, edges, self._known).of(groups)

    def _count(self, kind: Kind, directory: str) -> Iterator[int | None]:
        if not self._is_made():
            return
        with self._faults(), self._engine.connect() as connection:
            if (table := self._catalog.records_if_any(connection, kind)) is not None:
                yield listing.count(writer(connection), table, directory)

    def _ids(self, kind: Kind, directory: str) -> Iterator[Sequence[str]]:
        if not self._is_made():
            return
        with self._faults(), self._engine.connect() as connection:
            if (table := self._catalog.records_if_any(connection, kind)) is not None:
                yield from listing.ids(writer(connection), table, directory)

    def _is_made(self) -> bool:
        """Whether the database exists: usersyncd creates an SQLite file when it first writes."""
        file = sqlite_file(self._url)
        return file is None or not self._create or file.exists()

    def _deliver(self, changes: Sequence[Change]) -> Iterator[list[Outcome]]:
        outcomes: list[Outcome] = []

        def work() -> None:
            with self._writing() as connection:
                batch = Batch(writer(connection), self._catalog, self._context)
                batch.writer.begin()
                if isinstance(changes, Creates) and (given := insert_together(batch, changes)) is not None:
                    outcomes[:] = [Outcome(target_id=target_id) for target_id in given]
                    return
                for (op, kind), phase in groupby(enumerate(changes), key=lambda numbered: _phase(numbered[1])):
                    _carry_out(batch, op, kind, list(phase))
            outcomes[:] = [batch.outcome(number) for number in range(len(changes))]

        with self._faults():
            try:
                yield from ([] for _ in repeated(work))
            except Exception as error:
                if not is_busy(error):
                    raise
                outcomes = [Outcome(error=busy(error))] * len(changes)
        yield outcomes

    def _rename(self, old: str, new: str, target_ids: Mapping[Kind, Sequence[str]]) -> Iterator[Renamed]:
        found: Renamed = {}

        def work() -> None:
            with self._writing() as connection:
                found.update(rename(connection, self._catalog, old, new, target_ids))

        with self._faults():
            for _ in repeated(work):
                pass
        yield found

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        self._known.clear()
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _check(self) -> Iterator[str]:
        with self._faults():
            yield from survey(self._engine, self._written, self._catalog, self._context)

    async def list(self, kind: Kind) -> AsyncIterator[Held]:
        """All rows of a kind. Raises TargetError."""
        async for some in self._context.blocking(lambda: self._list(kind)):
            for held in some:
                yield held

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Convert database errors to TargetError. After an error the connections are closed."""
        try:
            yield
        except TargetError:
            self._engine.dispose()
            raise
        except Undone as error:
            self._engine.dispose()
            raise TargetError(f"target {self._context.name}: {self._written}: {error}", error.remedy) from error
        except Exception as error:
            self._engine.dispose()
            if not isinstance(error, SQLAlchemyError | OSError) and driver_error(error) is None:
                raise
            raise target_error(error, self._context.name, self._written) from error


def writer(connection: sa.Connection) -> Writer:
    """The writer for this database."""
    if connection.dialect.name == "postgresql":
        from usersyncd_sql.postgresql import PostgresqlWriter  # its driver comes with an extra

        return PostgresqlWriter(connection)
    return MysqlWriter(connection) if connection.dialect.name in own.MYSQL else Writer(connection)


def _phase(change: Change) -> tuple[Op, Kind]:
    """Changes with the same phase are written together. All changes that write rows share a phase, so that they can
    pass on values."""
    return (change.op if change.op in {Op.ADD, Op.REMOVE, Op.DELETE} else Op.UPDATE), change.kind


def _carry_out(batch: Batch, op: Op, kind: Kind, changes: Sequence[Numbered]) -> None:
    if op is Op.ADD:
        memberships.add(batch, changes)
    elif op is Op.REMOVE:
        memberships.remove(batch, changes)
    else:
        table = batch.catalog.records(batch.writer.connection, kind)
        if op is Op.DELETE:
            delete(batch, table, changes)
            return
        # Updates come first: they may free a value, such as an address, that a new record gets.
        update(batch, table, [numbered for numbered in changes if numbered[1].op is not Op.CREATE])
        create(batch, table, [numbered for numbered in changes if numbered[1].op is Op.CREATE])


def _has_rows(connection: sa.Connection, table: RecordTable) -> bool:
    return connection.execute(sa.select(sa.literal(1)).select_from(table.light).limit(1)).first() is not None
