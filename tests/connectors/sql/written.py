"""A value that was written to a column of some type, as the target lists it afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tests.connectors.sql.changes import layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database
from usersyncd.plugin import Held, Kind, Op, Value
from usersyncd_sql.target import SqlTarget

LAYOUTS = layouts(("login", "value"))


@asynccontextmanager
async def written(
    database: Database, start: Callable[..., Runs], kind: str, value: Value
) -> AsyncIterator[tuple[SqlTarget, Held]]:
    """The target, and the row of a user that was delivered to it. ``kind``: the column's type."""
    database.sql(
        f"CREATE TABLE users (id {{serial}}, login VARCHAR(20) UNIQUE, value {kind})",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
    )
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams"})
    [outcome] = await run(user(Op.CREATE, "ada", {"login": "ada", "value": value}))
    assert outcome.error is None
    target = run.target()
    try:
        [held] = [one async for one in target.list(Kind.USER)]
        yield target, held
    finally:
        await target.close()
