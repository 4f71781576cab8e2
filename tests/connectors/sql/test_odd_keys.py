"""Keys that their column cannot hold: such a record fails by name, and affects no other one."""

from __future__ import annotations

from collections.abc import Callable

from tests.connectors.sql.changes import layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns, only
from usersyncd.plugin import DELIVERED, Kind, Lookup, Op, Value

Start = Callable[..., Runs]

APP = layouts(("code", "email", "active"))
HUGE = "117000000000000000001"
KEYS: dict[str, list[tuple[str, str, str]]] = {
    "postgresql": [
        ("BIGINT", "7", HUGE), ("INTEGER", "7", str(2**31)), ("SMALLINT", "7", "40000"), ("INTEGER", "7", "1_0"),
        ("NUMERIC(5)", "7", "1e9"), ("TEXT", "ada", "a\x00b"), ("TEXT", "ada", "\ud83d"),
        ("VARCHAR(5)", "ada", "toolong"),
        ("CHAR(5)", "ada", "toolong"), ("UUID", "0a0a0a0a-0000-4000-8000-000000000001", "ada"),
        ("DATE", "2026-01-31", "0000-01-01"), ("TIMESTAMPTZ", "2026-01-31T00:00:00Z", "0001-01-01T00:00:00+01:00"),
        ("TIMESTAMPTZ", "2026-01-31T00:00:00Z", "9999-12-31T23:59:59-01:00"), ("INET", "10.0.0.1", "ada"),
        ("color", "red", "mauve"), ("positive", "7", "-1"), ("positive", "7", HUGE), ("nickname", "ada", "toolong"),
        ("number_of_number", "7", "-1"), ("paint", "red", "mauve"), ("BYTEA", "ada", "\ud83d"),
        ("CITEXT", "ada", "a\x00b"), ("BIT(3)", "101", "1010"),
    ],
    "mariadb": [
        ("BIGINT", "7", HUGE), ("INTEGER UNSIGNED", "7", "-1"), ("TINYINT", "7", "128"), ("MEDIUMINT", "7", "8388608"),
        ("VARCHAR(9) CHARACTER SET latin1", "ada", "田中"), ("VARCHAR(9) CHARACTER SET utf8mb3", "ada", "\U00020bb7"),
        ("VARCHAR(9) CHARACTER SET ascii", "ada", "Zoë"),
        ("VARCHAR(9)", "ada", "\ud83d"), ("VARCHAR(9)", "ada", "\udc80"),
        ("VARCHAR(5)", "ada", "toolong"), ("UUID", "0a0a0a0a-0000-4000-8000-000000000001", "ada"),
        ("DATE", "2026-01-31", "0000-01-01"), ("TIMESTAMP", "2026-01-31T00:00:00Z", "1969-01-01T00:00:00Z"),
        ("DATETIME", "2026-01-31T00:00:00Z", "0001-01-01T00:00:00+01:00"), ("ENUM('red','blue')", "red", "mauve"),
        ("INET6", "2001:db8::1", "ada"), ("DECIMAL(5)", "7", "1000000"), ("YEAR", "2026", "9999"),
        ("VARBINARY(5)", "ada", "toolong"),
    ],
    "sqlite": [
        ("INTEGER", "7", HUGE), ("INTEGER", "7", "seven"), ("TEXT", "ada", "\ud83d"),
        ("DATE", "2026-01-31", "0000-01-01"), ("NUMERIC", "7", "1e999"),
    ],
}  # fmt: skip
"""For each type, a key that the column accepts, and one that it does not."""
TYPES = (
    "CREATE EXTENSION IF NOT EXISTS citext",
    "CREATE TYPE color AS ENUM ('red', 'blue')",
    "CREATE DOMAIN paint AS color",
    "CREATE DOMAIN positive AS BIGINT CHECK (VALUE > 0)",
    "CREATE DOMAIN nickname AS VARCHAR(5) NOT NULL",
    "CREATE DOMAIN number_of_number AS positive",
)


async def test_a_key_that_its_column_cannot_hold_fails_only_its_record(database: Database, start: Start) -> None:
    """All types are in one database, because creating one takes longer than the rest of the test."""
    database.sql(*(TYPES if database.dialect == "postgresql" else ()), "SELECT 1")
    for number, (kind, good, bad) in enumerate(KEYS[database.dialect]):
        case, table = f"{kind}: {good} and {bad!a}", f"app_user{number}"
        database.sql(f"CREATE TABLE {table} (code {kind} NOT NULL UNIQUE, email VARCHAR(80), active BOOLEAN)")
        runs = start(APP, tables={"users": table})
        runs.links.clear()
        shapes: dict[str, dict[str, Value]] = {
            key: {"code": key, "email": f"{n}@x", "active": True} for n, key in enumerate((good, bad))
        }
        refused, made = await runs(user(Op.CREATE, bad, shapes[bad]), user(Op.CREATE, good, shapes[good]))
        assert (bool(refused.error), made) == (True, DELIVERED), case
        found = await runs.find(Kind.USER, Lookup("hr", "other", bad), Lookup("hr", f"id of {good}", good))
        assert [(asked.key, held.key) for asked, held in found] == [(good, good)], case
        changed = {**shapes[good], "email": "new@x", "active": False}
        assert await runs(user(Op.DEACTIVATE, good, changed, **shapes[good])) == [DELIVERED], case
        assert columns(database, table, ["email", "active"], "email") == [("new@x", False)], case


@only("postgresql")
async def test_a_refused_key_leaves_the_lookup_of_thousands_quick(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (code TEXT NOT NULL UNIQUE, email TEXT, active BOOLEAN)")
    database.sql("INSERT INTO app_user SELECT 'k' || n, n, true FROM generate_series(1, 9999) n")
    lookups = [Lookup("hr", f"i{n}", "k\x00" if n == 777 else f"k{n}") for n in range(1, 10000)]
    found = await start(APP, tables={"users": "app_user"}).find(Kind.USER, *lookups)
    assert len(found) == 9998


UUIDS = {
    "postgresql": "BYTEA PRIMARY KEY DEFAULT decode(replace(gen_random_uuid()::text, '-', ''), 'hex')",
    "mariadb": "BINARY(16) PRIMARY KEY DEFAULT (unhex(replace(uuid(), '-', '')))",
    "sqlite": "BLOB PRIMARY KEY NOT NULL DEFAULT (randomblob(16))",
}


async def test_a_row_may_be_identified_by_bytes(database: Database, start: Start) -> None:
    """Hibernate keeps UUIDs as BINARY(16)."""
    database.sql(
        f"CREATE TABLE app_user (id {UUIDS[database.dialect]}, code VARCHAR(40) NOT NULL UNIQUE, "
        "email VARCHAR(80), active BOOLEAN)"
    )
    runs = start(APP, tables={"users": "app_user"})
    ada: dict[str, Value] = {"code": "ada", "email": "a", "active": True}
    eve: dict[str, Value] = {"code": "eve", "email": "a", "active": True}
    assert await runs(user(Op.CREATE, "ada", ada)) == [DELIVERED]
    assert await runs(user(Op.UPDATE, "ada", eve, **ada)) == [DELIVERED]
    assert columns(database, "app_user", ["code"], "code") == [("eve",)]
    assert await runs(user(Op.DELETE, "ada", None, **eve)) == [DELIVERED]
    assert columns(database, "app_user", ["code"], "code") == []


@only("postgresql")
async def test_a_row_whose_key_was_changed_is_recognised_by_values_of_any_type(
    database: Database, start: Start
) -> None:
    kinds: list[tuple[str, Value]] = [
        ("JSON", {"a": 1}), ("JSONB", {"a": 1}), ("INET", "10.0.0.1"), ("XML", "<a/>"), ("POINT", "(1,2)"),
    ]  # fmt: skip
    for number, (kind, value) in enumerate(kinds):
        table = f"app_user{number}"
        database.sql(f"CREATE TABLE {table} (id {{serial}}, code TEXT UNIQUE, value {kind}, name TEXT)")
        runs = start(layouts(("code", "value", "name")), tables={"users": table})
        runs.links.clear()
        ada: dict[str, Value] = {"code": "ada", "value": value, "name": "Ada"}
        assert await runs(user(Op.CREATE, "ada", ada)) == [DELIVERED], kind
        database.sql(f"UPDATE {table} SET code = 'theirs'")
        assert await runs(user(Op.UPDATE, "ada", {**ada, "name": "Ada B"}, **ada)) == [DELIVERED], kind
        assert columns(database, table, ["code", "name"], "code") == [("ada", "Ada B")], kind
