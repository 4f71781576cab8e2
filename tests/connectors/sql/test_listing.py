"""What the SQL target lists of its objects, and which values it treats as equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.connectors.sql.changes import edges, group, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, only
from tests.connectors.sql.written import LAYOUTS, written
from usersyncd.plugin import Edge, Held, Kind, Op, Value
from usersyncd_sql.target import SqlTarget

Start = Callable[..., Runs]
MOMENT = "2026-06-30T17:00:00.123456+02:00"
FORMS: dict[str, list[tuple[str, Value, Value]]] = {
    "all": [
        ("VARCHAR(20)", "Ada", "Eve"), ("CHAR(10)", "Ada", "Eve"), ("TEXT", "Ada", None), ("TEXT", 7, 8),
        ("TEXT", ["a", "b"], ["a"]), ("TEXT", True, False), ("INTEGER", "7", "8"), ("INTEGER", 7.0, 8),
        ("INTEGER", True, False), ("BOOLEAN", True, False),
        ("NUMERIC(8,2)", "1.50", "1.51"), ("NUMERIC(8,2)", 2, 3), ("DATE", "2026-06-30", "2026-07-01"),
        ("DATE", MOMENT, "2026-07-01"), ("{moment}", MOMENT, "2026-06-30T18:00:00Z"),
        ("{json}", {"b": [1], "a": "ü"}, {"b": 1}),
        ("{json}", "5", "6"),
        ("{uuid}", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c9"),
        ("TIME", "09:05", "09:06"), ("REAL", "0.1", "0.2"), ("DOUBLE PRECISION", 1e-7, 2e-7),
        ("VARCHAR(20)", "", "Ada"),
    ],
    "postgresql": [
        ("NUMERIC(8,2)", "1.555", "1.57"), ("TIMESTAMP(0)", MOMENT, "2026-06-30T15:00:02Z"),
        ("TEXT[]", ["a", "b"], ["b"]),
        ("INTEGER[]", ["1", "2"], ["1"]), ("TIMETZ", "09:05", "09:06"), ("JSON", "5", "6"), ("BIGINT", "7", "8"),
    ],
    "mariadb": [
        ("DECIMAL(8,2)", "1.555", "1.57"), ("DATETIME(6)", MOMENT, "2026-06-30T15:00:02Z"), ("FLOAT", "0.1", "0.2"),
        ("ENUM('a','b')", "a", "b"), ("LONGTEXT", ["a"], ["b"]),
        ("TINYINT(1)", True, False),
    ],
    "sqlite": [("DECIMAL", "1.50", "1.51"), ("", "007", "7"), ("BLOB", "abc", "abc")],
}  # fmt: skip
"""For each type, a value as rules give it, and another one."""
UNKNOWN = {"", "BLOB"}
"""Types whose formats the connector does not know: it never reports a difference of their values."""


def _cases() -> list[Any]:
    return [
        pytest.param(dialect, *case, id=f"{dialect} {case[0]} {case[1]!r}"[:60])
        for dialect in ("sqlite", "postgresql", "mariadb")
        for case in (*FORMS["all"], *FORMS[dialect])
    ]


@pytest.mark.parametrize(("database", "kind", "value", "other"), _cases(), indirect=["database"])
async def test_a_value_that_was_written_comes_back_the_same(
    database: Database, start: Start, kind: str, value: Value, other: Value
) -> None:
    async with written(database, start, kind, value) as (target, held):
        shown = held.attributes.get("value", value)
        assert value == shown or target.is_same(Kind.USER, "value", value, shown), shown
        if kind not in UNKNOWN:
            assert other != shown
            assert not target.is_same(Kind.USER, "value", other, shown), shown


async def listed(target: SqlTarget, kind: Kind) -> list[Held]:
    return [held async for held in target.list(kind)]


async def yielded_edges(target: SqlTarget, groups: list[str]) -> set[Edge]:
    return {edge async for batch in target.members(groups) for edge in batch}


async def test_upper_and_lower_case_of_the_key_are_one(database: Database, start: Start) -> None:
    """A trigger of the application may change the case of a key."""
    database.sql(
        "CREATE TABLE users (id {serial}, login VARCHAR(20) UNIQUE, value VARCHAR(20))",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
        "INSERT INTO users (login, value) VALUES ('ada', 'Lab')",
    )
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams"})
    target = run.target()
    try:
        [held] = await listed(target, Kind.USER)
        assert target.is_same(Kind.USER, "login", "Ada ", held.attributes["login"])
        assert not target.is_same(Kind.USER, "login", "Eve", held.attributes["login"])
        assert target.is_same(Kind.USER, "value", "lab", "Lab") is (database.dialect == "mariadb")
    finally:
        await target.close()


@pytest.mark.parametrize("holds", ["reference", "key"])
async def test_memberships_of_an_applications_tables(database: Database, start: Start, holds: str) -> None:
    """Memberships by foreign keys or by keys, of existing groups and members only."""
    refers = holds == "reference"
    column = "INTEGER NOT NULL REFERENCES {}(id)" if refers else "VARCHAR(20) NOT NULL"
    engine = " ENGINE=InnoDB" if database.dialect == "mariadb" else ""
    database.sql(
        "CREATE TABLE users (id {serial}, login VARCHAR(20) UNIQUE, value VARCHAR(20))" + engine,
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)" + engine,
        f"CREATE TABLE seats (person {column.format('users')}, team {column.format('teams')})" + engine,
    )
    more: dict[str, Any] = {} if refers else {"memberships": {"user": "person", "group": "team"}}
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams", "memberships": "seats"}, **more)
    await run(*(user(Op.CREATE, name, {"login": name, "value": None}) for name in ("ada", "bob")))
    await run(*(group(Op.CREATE, name, {"name": name}) for name in ("app", "ops")))
    await run(edges(Op.ADD, "app", "ada", "bob"), edges(Op.ADD, "ops", "bob"))
    if not refers:
        database.sql("INSERT INTO seats VALUES ('nobody', 'app')")
    target = run.target()
    try:
        users = {held.key: held.target_id for held in await listed(target, Kind.USER)}
        teams = {held.key: held.target_id for held in await listed(target, Kind.GROUP)}
        app, ops = teams["app"], teams["ops"]
        assert await yielded_edges(target, [app]) == {(app, Kind.USER, users["ada"]), (app, Kind.USER, users["bob"])}
        assert await yielded_edges(target, [app, ops, '{"id":99}', "no id"]) >= {(ops, Kind.USER, users["bob"])}
        assert [await target.count(kind, "hr") for kind in Kind] == [None, None]
    finally:
        await target.close()


async def test_our_own_tables_with_rules(database: Database, start: Start) -> None:
    """Rows are identified by directory and record id, and so are both ends of a membership."""
    run = start(LAYOUTS, create_tables=True)
    await run(*(user(Op.CREATE, name, {"login": name, "value": None}) for name in ("ada", "bob")))
    await run(group(Op.CREATE, "app", {"name": "app"}), group(Op.CREATE, "ada", {"name": "ada"}))
    await run(edges(Op.ADD, "app", "bob", nested=("ada",)))
    target = run.target()
    try:
        found = await yielded_edges(target, [held.target_id for held in await listed(target, Kind.GROUP)])
        assert {(kind, member) for _, kind, member in found} == {
            (Kind.USER, '{"directory":"hr","record_id":"id of bob"}'),
            (Kind.USER, '{"directory":"hr","record_id":"id of ada"}'),
        }, "a user and a group of one id are one value in this table"
        assert [await target.count(kind, "hr") for kind in Kind] == [2, 2]
        assert await target.count(Kind.USER, "HR") == 0
    finally:
        await target.close()


@only("sqlite")
async def test_many_rows_come_in_pages(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE users (id {serial}, login TEXT UNIQUE, value TEXT)",
        "CREATE TABLE teams (id {serial}, name TEXT UNIQUE)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) "
        "INSERT INTO users (login) SELECT 'u' || i FROM n",
    )
    target = start(LAYOUTS, tables={"users": "users", "groups": "teams"}).target()
    try:
        assert len({held.target_id for held in await listed(target, Kind.USER)}) == 12_000
    finally:
        await target.close()
