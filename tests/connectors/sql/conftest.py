from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.sql.databases import DIALECTS, Database, ServerDatabase, SqliteDatabase
from tests.servers.mariadb import mariadb
from tests.servers.postgres import postgres
from usersyncd.plugin import Change, Kind, Layout, Outcome
from usersyncd.testing import OWN_LAYOUTS, target_context
from usersyncd_sql import SqlTarget
from usersyncd_sql.options import SqlOptions

__all__ = ["mariadb", "postgres"]

Deliver = Callable[..., Any]


@pytest.fixture(params=DIALECTS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database; the test runs once on each of the three."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path)
    return ServerDatabase(request.getfixturevalue("postgres" if request.param == "postgresql" else "mariadb"))


class Runs:
    """Delivers to one target as a run does, each time anew: ``await runs(change, …)`` gives the outcomes."""

    def __init__(self, folder: Path, options: Mapping[str, Any], layouts: Mapping[Kind, Layout]) -> None:
        self.folder, self.options, self.layouts = folder, options, layouts

    def target(self) -> SqlTarget:
        context = target_context(self.folder, name="app", layouts=self.layouts)
        return SqlTarget(SqlOptions.model_validate(self.options), context)

    async def __call__(self, *changes: Change) -> list[Outcome]:
        target = self.target()
        try:
            return [outcome async for outcome in target.deliver(changes)]
        finally:
            await target.close()

    async def check(self) -> Sequence[str]:
        target = self.target()
        try:
            return await target.check()
        finally:
            await target.close()


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Callable[..., Runs]:
    """``start(layouts, create_tables=True, …)``: runs on the database with these options."""

    def start(layouts: Mapping[Kind, Layout] = OWN_LAYOUTS, **options: Any) -> Runs:
        return Runs(tmp_path, {"url": database.url, **options}, layouts)

    return start
