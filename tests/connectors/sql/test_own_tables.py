"""Tables that usersyncd creates: their columns, the identity of a row, and the times of writing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.connectors.sql.changes import canonical, create, layouts, own_edges, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Lookup, Op, Value
from usersyncd.testing import OWN_LAYOUTS

Start = Callable[..., Runs]

USERS = [
    *("directory", "id", "user_name", "email", "given_name", "family_name", "display_name", "active", "user_type"),
    *("title", "department", "division", "cost_center", "organization", "employee_number", "manager"),
    *("preferred_language", "locale", "timezone", "phone", "mobile", "valid_from", "valid_until", "created_at"),
    *("deactivated_at", "updated_at"),
]
GROUPS = ["directory", "id", "display_name", "description", "email", "updated_at"]


def column_names(database: Database, table: str) -> list[str]:
    if database.dialect == "sqlite":
        return [row[0] for row in database.sql(f"SELECT name FROM pragma_table_info('{table}') ORDER BY cid")]
    schema = "current_schema()" if database.dialect == "postgresql" else "database()"
    return [
        row[0]
        for row in database.sql(
            "SELECT column_name FROM information_schema.columns "
            f"WHERE table_name = '{table}' AND table_schema = {schema} ORDER BY ordinal_position"
        )
    ]


def moment(value: object) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    assert isinstance(found, datetime)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def test_without_rules_the_columns_are_the_canonical_names(database: Database, start: Start) -> None:
    assert await start(create_tables=True)(create("u1"), create("g1", Kind.GROUP)) == [DELIVERED] * 2
    assert column_names(database, "users") == USERS
    assert column_names(database, "groups") == GROUPS
    assert column_names(database, "group_members") == ["directory", "group_id", "member_id"]


async def test_with_rules_the_columns_are_those_of_set_and_the_record_id(database: Database, start: Start) -> None:
    runs = start(layouts(("login", "mail", "active", "tags"), ("name", "note")), create_tables=True)
    ada: dict[str, Value] = {"login": "ada", "mail": "ada@acme.example", "active": True, "tags": ["a", {"b": 1}]}
    assert await runs(user(Op.CREATE, "ada", ada)) == [DELIVERED]
    assert column_names(database, "users") == ["login", "mail", "active", "tags", "directory", "record_id"]
    assert column_names(database, "groups") == ["name", "note", "directory", "record_id"]
    assert columns(database, "users", ["login", "active", "tags"], "login") == [("ada", True, '["a", {"b": 1}]')]


async def test_the_same_id_in_two_directories_is_two_users(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("1", directory="north", title="a"), create("1", directory="south", title="b"))
    assert columns(database, "users", ["directory", "id", "title"], "title") == [
        ("north", "1", "a"),
        ("south", "1", "b"),
    ]
    await runs(Change(Op.DELETE, Kind.USER, "north", "1", "1"))
    assert columns(database, "users", ["directory", "id"], "id") == [("south", "1")]


async def test_keys_that_differ_in_case_stay_apart(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    changes = [create("Ada"), create("ada"), create("g", Kind.GROUP), create("G", Kind.GROUP)]
    assert await runs(*changes, own_edges(Op.ADD, "g", "Ada", "ada"), own_edges(Op.ADD, "G", "ada")) == [DELIVERED] * 6
    assert (
        await runs(Change(Op.DELETE, Kind.USER, "hr", "Ada", "Ada"), own_edges(Op.REMOVE, "G", "ada"))
        == [DELIVERED] * 2
    )
    assert [row[0] for row in columns(database, "users", ["id"], "id")] == ["ada"]
    assert columns(database, "group_members", ["group_id", "member_id"], "group_id") == [("g", "ada")]


async def test_text_of_any_script_arrives_as_it_is(database: Database, start: Start) -> None:
    names = [
        "Łukasz Żółć",
        "Юлия Ёлкина",
        "李小龍",
        "أحمد",
        "🦊 Fox",
        "tab\there",
        "back\\slash",
        "quo\"te's",
        "line\nbreak",
        "\\N",
        "",
    ]
    runs = start(create_tables=True)
    assert await runs(*(create(f"u{n:02}", displayName=name) for n, name in enumerate(names))) == [DELIVERED] * len(
        names
    )
    again = [
        Change(Op.UPDATE, Kind.USER, "hr", key, key, None, canonical(Kind.USER, id=key, displayName=name, title=name))
        for key, name in ((f"u{n:02}", name) for n, name in enumerate(names))
    ]
    assert await runs(*again) == [DELIVERED] * len(names)
    assert columns(database, "users", ["display_name", "title"], "id") == [(name, name) for name in names]


async def test_every_write_and_every_leaving_is_dated(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    before = datetime.now(UTC) - timedelta(seconds=1)
    shape = canonical(Kind.USER, id="u1", active=True)
    left = shape | {"active": False}

    async def dates(op: Op, after: dict[str, Value]) -> tuple[datetime, datetime | None]:
        await runs(Change(op, Kind.USER, "hr", "u1", "u1", shape, after))
        ((updated, deactivated),) = columns(database, "users", ["updated_at", "deactivated_at"], "id")
        return moment(updated), deactivated and moment(deactivated)

    created, nothing = await dates(Op.CREATE, shape)
    assert before < created <= datetime.now(UTC)
    assert nothing is None
    written, gone = await dates(Op.DEACTIVATE, left)
    assert gone == written > created
    written, still = await dates(Op.UPDATE, left | {"title": "Emeritus"})
    assert written > gone
    assert still == gone
    assert (await dates(Op.REACTIVATE, shape))[1] is None
    await runs(create("u2", active=False))
    assert columns(database, "users", ["deactivated_at"], "id")[1] != (None,)


async def test_a_column_that_a_later_rule_needs_is_added(database: Database, start: Start) -> None:
    await start(layouts(("login", "mail")), create_tables=True)(user(Op.CREATE, "ada", {"login": "ada", "mail": "a"}))
    later = start(layouts(("login", "mail", "active", "role")), create_tables=True)
    assert any("would be extended by active, role" in line for line in await later.check())
    assert column_names(database, "users") == ["login", "mail", "directory", "record_id"]
    shape: dict[str, Value] = {"login": "ada", "mail": "b", "active": True, "role": "admin"}
    assert await later(user(Op.UPDATE, "ada", shape)) == [DELIVERED]
    assert columns(database, "users", ["login", "mail", "active", "role"], "login") == [("ada", "b", True, "admin")]


async def test_a_table_with_another_primary_key_is_refused_as_own_table(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE users (id {serial}, name TEXT)")
    for attempt in (start(create_tables=True).check(), start(create_tables=True)(create("u1"))):
        with pytest.raises(TargetError, match=r"table `users` already exists with the primary key \(id\)"):
            await attempt
    assert column_names(database, "users") == ["id", "name"]


@pytest.mark.parametrize("key", ["mail", "number"], ids=["of a column that is there", "of a new column"])
async def test_a_changed_key_that_is_not_unique_is_refused_with_the_statements_that_make_it_so(
    database: Database, start: Start, key: str
) -> None:
    assert await start(layouts(("login", "mail")), create_tables=True)(
        user(Op.CREATE, "ada", {"login": "ada", "mail": "ada@x"})
    ) == [DELIVERED]
    names = ("login", "mail", *([] if key == "mail" else [key]))
    later = start(layouts((key, *(name for name in names if name != key))), create_tables=True)
    shape: dict[str, Value] = {"login": "ada", "mail": "ada@y"}
    shape.setdefault(key, "7")
    before: dict[str, Value] = {"login": "ada", "mail": "ada@x"}
    change = Change(Op.UPDATE, Kind.USER, "hr", "id of ada", str(shape[key]), before, shape)
    for attempt in (later.check(), later(change)):
        with pytest.raises(TargetError) as raised:
            await attempt
        assert raised.value.message == (
            f"target app: the `key` of table `users` is now `{key}`, which is not unique there"
        )
    assert raised.value.remedy is not None
    choice, statements = raised.value.remedy.split(" yourself: ")
    assert choice == "restore `key: login`, or make the column unique"
    for statement in statements.split("; "):
        database.sql(statement)
    await later.check()
    ((_, held),) = await later.find(Kind.USER, Lookup("hr", "id of ada", "7"))
    assert held.key == ("ada@x" if key == "mail" else "")
    assert await later(change) == [DELIVERED]
    assert columns(database, "users", ["login", "mail"], "login") == [("ada", "ada@y")]


async def test_check_creates_nothing(database: Database, start: Start, tmp_path: Path) -> None:
    lines = await start(create_tables=True).check()
    assert any(line.startswith("table `users` would be created: directory, id, user_name") for line in lines)
    assert any("`group_members` would be created: directory, group_id, member_id" in line for line in lines)
    if database.dialect == "sqlite":
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - an ASYNC rule forbids pathlib here
    else:
        assert column_names(database, "users") == []


async def test_check_describes_the_tables(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1"), create("u2"), create("g1", Kind.GROUP), own_edges(Op.ADD, "g1", "u1"))
    server, *tables = await runs.check()
    assert server.startswith(
        {"sqlite": "SQLite 3.", "postgresql": "PostgreSQL ", "mariadb": "MariaDB "}[database.dialect]
    )
    assert [line.split(";")[0] for line in tables] == [
        "table `users`: 2 rows",
        "table `groups`: 1 row",
        "table `group_members`: 1 row",
    ]


async def test_sqlite_creates_the_folder_and_does_not_block_readers(tmp_path: Path) -> None:
    runs = Runs(tmp_path, {"url": "sqlite:///var/data/app.db", "create_tables": True}, OWN_LAYOUTS)
    assert await runs(create("u1")) == [DELIVERED]
    with closing(sqlite3.connect(tmp_path / "var/data/app.db")) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_membership_table_of_the_application_is_refused_as_own_table(database: Database, start: Start) -> None:
    runs = start(layouts(("login",), ("name",)), create_tables=True)
    await runs(user(Op.CREATE, "ada", {"login": "ada"}))
    database.sql(
        "DROP TABLE group_members",
        "CREATE TABLE group_members (directory VARCHAR(20), group_id VARCHAR(20), member_id VARCHAR(20), "
        "role VARCHAR(20), PRIMARY KEY (group_id, role))",
    )
    with pytest.raises(TargetError, match=r"table `group_members` already exists with the primary key"):
        await runs(user(Op.CREATE, "bob", {"login": "bob"}))
