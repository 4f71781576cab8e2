"""A renamed directory: every row that names it changes in one transaction."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.connectors.sql.changes import create, layouts, own_edges, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database
from usersyncd.errors import TargetError
from usersyncd.plugin import Kind, Op
from usersyncd_sql.rename import Renamed

Start = Callable[..., Runs]


async def renamed(runs: Runs, old: str, new: str) -> Renamed:
    target = runs.target()
    try:
        await target.prepare()
        ids = {kind: [one for (of, _, _), one in runs.links.items() if of is kind] for kind in Kind}
        return await target.rename(old, new, ids)
    finally:
        await target.close()


async def test_rows_and_memberships_get_the_new_name(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1"), create("u1", directory="lab"), create("g1", Kind.GROUP))
    await runs(own_edges(Op.ADD, "g1", "u1"))
    for _ in range(2):
        assert await renamed(runs, "hr", "people") == {
            Kind.USER: {'{"directory":"hr","id":"u1"}': '{"directory":"people","id":"u1"}'},
            Kind.GROUP: {'{"directory":"hr","id":"g1"}': '{"directory":"people","id":"g1"}'},
        }
    assert database.sql("SELECT directory, id FROM users ORDER BY 1") == [("lab", "u1"), ("people", "u1")]
    assert database.sql("SELECT directory, id FROM groups ORDER BY 1") == [("people", "g1")]
    assert database.sql("SELECT directory, group_id, member_id FROM group_members") == [("people", "g1", "u1")]


async def test_a_row_under_the_new_name_prevents_the_whole_rename(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1"), create("u2"), create("u2", directory="people"))
    with pytest.raises(TargetError) as raised:
        await renamed(runs, "hr", "people")
    assert raised.value.message.startswith("table `users` has a row of both directories hr and people for u2, so hr")
    assert database.sql("SELECT directory, id FROM users ORDER BY 1, 2") == [
        ("hr", "u1"), ("hr", "u2"), ("people", "u2"),
    ]  # fmt: skip


async def test_the_tables_of_an_application_name_no_directory(database: Database, start: Start) -> None:
    """Not even if a table has a column of that name."""
    database.sql("CREATE TABLE account (id {serial}, login VARCHAR(50) UNIQUE, active BOOLEAN, directory VARCHAR(50))")
    runs = start(layouts(("login", "active")), tables={"users": "account"})
    await runs(user(Op.CREATE, "ada", {"login": "ada", "active": True}))
    database.sql("UPDATE account SET directory = 'hr'")
    assert await renamed(runs, "hr", "people") == {}
    assert database.sql("SELECT login, directory FROM account") == [("ada", "hr")]
