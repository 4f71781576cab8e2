"""Values that an application or the database itself put there: none costs another row, and what was written stays the
same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.connectors.sql.changes import user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, only
from tests.connectors.sql.written import LAYOUTS, written
from usersyncd.plugin import Kind, Lookup, Op, Value

Start = Callable[..., Runs]
HELD: dict[str, list[tuple[str, str, Value]]] = {
    "postgresql": [
        ("TIMESTAMP", "infinity", "infinity"), ("TIMESTAMPTZ", "-infinity", "-infinity"),
        ("DATE", "infinity", "infinity"), ("DATE", "0044-03-15 BC", "0044-03-15 BC"),
        ("TIMESTAMP", "0044-03-15 12:00 BC", "0044-03-15 12:00:00 BC"),
        ("TIMESTAMP", "20000-01-01", "20000-01-01 00:00:00"), ("TIME", "24:00", "24:00:00"),
        ("TIMETZ", "24:00+00", "24:00:00+00"), ("INTERVAL", "100000000 years", "100000000 years"),
        ("TIMESTAMP[]", "{infinity,2026-01-01}", ["infinity", "2026-01-01T00:00:00Z"]),
        ("DATERANGE", "[2026-01-01,infinity)", "[2026-01-01, infinity)"),
        ("CITEXT", "Ada", "Ada"), ("CITEXT[]", '{Ada,"b, \\"c\\\\",NULL,""}', ["Ada", 'b, "c\\', None, ""]),
        ("CITEXT[]", "{{a},{b}}", "{{a},{b}}"), ("CITEXT[]", "{}", []),
        ("color[]", "{red,blue}", ["red", "blue"]), ("color", "red", "red"),
        ("TEXT[]", '{"null",NULL}', ["null", None]), ('"char"', "x", "x"),
        ("JSON", "null", None), ("JSONB", "null", None), ("JSONB", '"null"', "null"),
        ("NUMERIC", "NaN", "NaN"), ("NUMERIC", "Infinity", "Infinity"), ("REAL", "NaN", "nan"),
        ("DOUBLE PRECISION", "-Infinity", "-inf"), ("NUMERIC", "1" + "0" * 5000, "1" + "0" * 5000),
        ("BIT(3)", "101", "101"),
    ],
    "mariadb": [
        ("DATE", "0000-00-00", "0000-00-00"), ("DATETIME", "0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        ("DATE", "2026-00-00", "2026-00-00"), ("TIME", "838:59:59", "34 days, 22:59:59"),
        ("TIME", "-1:00", "-1 day, 23:00:00"), ("DECIMAL(65,0)", "1" + "0" * 60, "1" + "0" * 60),
        ("SET('a','b')", "a,b", "a,b"),
        ("BIGINT UNSIGNED", str(2**64 - 1), 2**64 - 1), ("BIT(1)", "\1", True), ("BIT(8)", "\5", 5),
        ("BIT(16)", "\1\1", 257),
    ],
    "sqlite": [
        ("DATE", "infinity", "infinity"), ("TIMESTAMP", "0000-00-00", "0000-00-00"), ("NUMERIC", "NaN", "NaN"),
        ("REAL", "1e999", "inf"), ("JSON", "null", "null"), ("JSON", "{", "{"), ("INTEGER", "abc", "abc"),
    ],
}  # fmt: skip
"""For each type a value as an application may have written it, and the JSON value that is read."""


def _cases() -> list[Any]:
    return [
        pytest.param(dialect, *case, id=f"{dialect} {case[0]} {case[1][:20]!r}")
        for dialect, cases in HELD.items()
        for case in cases
    ]


@pytest.mark.parametrize(("database", "kind", "value", "shown"), _cases(), indirect=["database"])
async def test_a_value_that_cannot_be_read_affects_no_other_row(
    database: Database, start: Start, kind: str, value: str, shown: Value
) -> None:
    if database.dialect == "postgresql":
        database.sql("CREATE EXTENSION IF NOT EXISTS citext", "CREATE TYPE color AS ENUM ('red', 'blue')")
    quoted = value.replace("'", "''").replace("\\", "\\\\" if database.dialect == "mariadb" else "\\")
    database.sql(
        f"CREATE TABLE users (id {{serial}}, login VARCHAR(20) UNIQUE, value {kind})",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
        *(["SET SESSION sql_mode = ''"] if database.dialect == "mariadb" else []),
        f"INSERT INTO users (login, value) VALUES ('ada', NULL), ('bob', '{quoted}'), ('cyd', NULL)",
    )
    target = start(LAYOUTS, tables={"users": "users", "groups": "teams"}).target()
    try:
        listed = {held.key: held async for held in target.list(Kind.USER)}
        lookups = [Lookup("hr", key, key) for key in ("ada", "bob", "cyd")]
        found = {held.key: held async for _, held in target.find(Kind.USER, lookups)}
        read = {held.key: held async for held in target.read(Kind.USER, [one.target_id for one in listed.values()])}
        assert listed == found == read
        values = {key: held.attributes["value"] for key, held in listed.items()}
        assert values == {
            "ada": None,
            "bob": shown,
            "cyd": None,
        }
        assert not target.is_same(Kind.USER, "value", "2026-06-30", shown) or kind in {
            "INTERVAL",
            "DATERANGE",
            "BIT(3)",
        }
    finally:
        await target.close()


WRITTEN: dict[str, list[tuple[str, Value]]] = {
    "postgresql": [
        ("JSON", "null"), ("JSONB", "true"), ("JSONB", None), ("CITEXT[]", ["Ada", 'b, "c\\']),
        ("color[]", ["red", "blue"]), ("color[]", []), ('"char"', "x"),
        ("NUMERIC(40,2)", "1" * 30), ("NUMERIC", "NaN"), ("REAL", "NaN"),
        ("DOUBLE PRECISION", "inf"), ("BIT(3)", "101"), ("BYTEA", "abc"), ("BYTEA", "\\x6162"),
        ("TIME(0)", "09:05:01.6"), ("CHAR(5)", "a "),
        ("TIMESTAMPTZ", "9999-12-31T23:59:59Z"), ("TIMESTAMPTZ(0)", "2026-06-30T17:00:00.6Z"), ("NUMERIC(4,1)", "2.25"),
    ],
    "mariadb": [
        ("BOOLEAN", "true"), ("BOOLEAN", "false"), ("VARBINARY(8)", "abc"), ("BIT(1)", True), ("BIT(1)", False),
        ("BIT(8)", 5), ("BIT(16)", 257), ("TIME", "09:05:01.6"),
        ("DECIMAL(65,0)", "1" * 60), ("SET('a','b')", "a,b"), ("CHAR(5)", "a "),
        ("FLOAT(8,2)", "1.555"), ("YEAR", 2026),
    ],
    "sqlite": [
        ("UUID", "ada"), ("STRING", "ada"), ("ENUM", "ada"), ("INET", "10.0.0.1"), ("POINT", "(1,2)"), ("ANY", True),
        ("TIMESTAMPTZ", "2030-01-01T00:00:00Z"), ("timestamp with time zone", "2030-01-01"), ("ADDRESS", {"a": 1}),
        ("INET", 5), ("INET", "1.50"), ("STRING", "12"),
        ("JSON", "null"), ("REAL", "1e300"), ("NUMERIC(8,2)", "1.555"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("database", "kind", "value"),
    [pytest.param(d, *case, id=f"{d} {case[0]} {case[1]!r}"[:60]) for d, cases in WRITTEN.items() for case in cases],
    indirect=["database"],
)
async def test_a_written_value_compares_as_equal_afterwards(
    database: Database, start: Start, kind: str, value: Value
) -> None:
    if database.dialect == "postgresql":
        database.sql("CREATE EXTENSION IF NOT EXISTS citext", "CREATE TYPE color AS ENUM ('red', 'blue')")
    async with written(database, start, kind, value) as (target, held):
        shown = held.attributes["value"]
        assert value == shown or target.is_same(Kind.USER, "value", value, shown), shown


@only("postgresql", "mariadb")
async def test_a_moment_that_the_database_cannot_hold_fails_by_name(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE users (id {serial}, login VARCHAR(20) UNIQUE, value {moment})",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
    )
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams"})
    late, good = await run(
        user(Op.CREATE, "ada", {"login": "ada", "value": "9999-12-31T23:59:59-05:00"}),
        user(Op.CREATE, "bob", {"login": "bob", "value": None}),
    )
    assert late.error is not None
    assert "accepts a time of the years 1 to 9999 in UTC" in late.error
    assert good.error is None


@only("mariadb", "sqlite")
@pytest.mark.parametrize("kind", ["NUMERIC(8,2)", "DOUBLE PRECISION"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "sNaN"])
async def test_an_invalid_number_fails_by_name(database: Database, start: Start, kind: str, value: str) -> None:
    database.sql(
        f"CREATE TABLE users (id {{serial}}, login VARCHAR(20) UNIQUE, value {kind})",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
    )
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams"})
    bad, good = await run(
        user(Op.CREATE, "ada", {"login": "ada", "value": value}), user(Op.CREATE, "bob", {"login": "bob", "value": 1})
    )
    assert bad.error == f"column `value` accepts a number, not {value!r}"
    assert good.error is None


TRIGGERS = {
    "sqlite": [
        "CREATE TRIGGER t AFTER INSERT ON users BEGIN "
        "UPDATE users SET value = lower(trim(value)) WHERE id = new.id; END"
    ],
    "postgresql": [
        "CREATE FUNCTION fold() RETURNS trigger AS "
        "'BEGIN new.value = lower(trim(new.value)); RETURN new; END' LANGUAGE plpgsql",
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION fold()",
    ],
    "mariadb": [
        "CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW SET new.value = lower(trim(new.value))",
    ],
}


async def test_a_value_that_a_trigger_changes_in_case_compares_as_equal(database: Database, start: Start) -> None:
    binary = " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if database.dialect == "mariadb" else ""
    database.sql(
        f"CREATE TABLE users (id {{serial}}, login VARCHAR(20) UNIQUE, value VARCHAR(40){binary})",
        "CREATE TABLE teams (id {serial}, name VARCHAR(20) UNIQUE)",
    )
    run = start(LAYOUTS, tables={"users": "users", "groups": "teams"})
    target = run.target()
    try:
        await target.identity()
        assert not target.is_same(Kind.USER, "value", "Ada@X ", "ada@x"), "without a trigger"
    finally:
        await target.close()
    database.sql(*TRIGGERS[database.dialect])
    await run(user(Op.CREATE, "ada", {"login": "ada", "value": "Ada@X "}))
    target = run.target()
    try:
        [held] = [one async for one in target.list(Kind.USER)]
        assert held.attributes["value"] == "ada@x"
        assert target.is_same(Kind.USER, "value", "Ada@X ", "ada@x")
        assert not target.is_same(Kind.USER, "value", "Ada@X ", "eve@x")
    finally:
        await target.close()
