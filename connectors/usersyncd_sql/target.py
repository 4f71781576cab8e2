"""The target: each batch of changes becomes one transaction, and each change has its outcome once that is committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import ClassVar

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from usersyncd.errors import TargetError
from usersyncd.plugin import API, Change, Kind, Op, Outcome, TargetContext
from usersyncd_sql import memberships, own, records
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.engine import build, driver_url, sqlite_file
from usersyncd_sql.faults import driver_error, target_error
from usersyncd_sql.mysql import MysqlWriter
from usersyncd_sql.options import SqlOptions
from usersyncd_sql.survey import must_exist, survey
from usersyncd_sql.write import Writer


class SqlTarget:
    """Delivers to PostgreSQL, MariaDB/MySQL or SQLite."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = SqlOptions

    def __init__(self, options: SqlOptions, context: TargetContext) -> None:
        """Raises PluginError when the database's driver is not installed."""
        password = context.secret(options.password) if options.password else None
        self._url = driver_url(options.url, context.folder, password)
        self._engine = build(self._url, own=options.create_tables)
        self._catalog = Catalog(options, context.layouts, context.name)
        self._create = options.create_tables
        self._context = context
        self._prepared = False

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Deliver a batch in one transaction. Raises TargetError when the database cannot be written."""
        if not changes:
            return
        async for outcomes in self._context.blocking(lambda: self._deliver(changes)):
            for outcome in outcomes:
                yield outcome

    async def check(self) -> Sequence[str]:
        """Say what is found: server, tables, columns, rows. Raises TargetError when the shapes do not fit."""
        return [line async for line in self._context.blocking(self._check)]

    async def close(self) -> None:
        self._engine.dispose()

    def _deliver(self, changes: Sequence[Change]) -> Iterator[list[Outcome]]:
        with self._faults():
            self._prepare()
            with self._writing() as connection:
                batch = Batch(writer(connection), self._catalog)
                batch.writer.begin()
                for (op, kind), phase in groupby(enumerate(changes), key=lambda numbered: _phase(numbered[1])):
                    _carry_out(batch, op, kind, list(phase))
        yield [batch.outcome(number) for number in range(len(changes))]

    def _prepare(self) -> None:
        """Once, before the first batch: our own tables, and the folder and file that SQLite keeps them in."""
        if self._prepared:
            return
        if (file := sqlite_file(self._url)) is not None:
            if self._create:
                file.parent.mkdir(parents=True, exist_ok=True)
            else:
                must_exist(file, self._context.name)
        with self._writing() as connection:
            own.create(connection, self._catalog.own(), self._context.name)
        self._prepared = True

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _check(self) -> Iterator[str]:
        with self._faults():
            yield from survey(self._engine, self._catalog)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors of the database, as what they mean for the target. Its connections are not used again."""
        try:
            yield
        except TargetError:
            self._engine.dispose()
            raise
        except Exception as error:
            self._engine.dispose()
            if not isinstance(error, SQLAlchemyError | OSError) and driver_error(error) is None:
                raise
            raise target_error(error, self._context.name, self._url.render_as_string()) from error


def writer(connection: sa.Connection) -> Writer:
    """The best way to write to this database."""
    if connection.dialect.name == "postgresql":
        from usersyncd_sql.postgresql import PostgresqlWriter  # its driver comes with an extra

        return PostgresqlWriter(connection)
    return MysqlWriter(connection) if connection.dialect.name in own.MYSQL else Writer(connection)


def _phase(change: Change) -> tuple[Op, Kind]:
    """What can be carried out together: create, update, deactivate and reactivate all write one row."""
    return (change.op if change.op in {Op.ADD, Op.REMOVE, Op.DELETE} else Op.UPDATE), change.kind


def _carry_out(batch: Batch, op: Op, kind: Kind, changes: Sequence[Numbered]) -> None:
    if op is Op.ADD:
        memberships.add(batch, changes)
    elif op is Op.REMOVE:
        memberships.remove(batch, changes)
    elif op is Op.DELETE:
        records.delete(batch, kind, changes)
    else:
        records.write(batch, kind, changes)
