"""The columns that identify a row: chosen from the table, part of the outcome, and read again after they change."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.connectors.sql.changes import create, edges, group, layouts, own_edges, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns, only
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Lookup, Op, Value

Start = Callable[..., Runs]

APP = layouts(("email", "name", "active"))
TABLES = {"users": "app_user"}


def person(email: str, name: str = "n") -> dict[str, Value]:
    return {"email": email, "name": name, "active": True}


@pytest.mark.parametrize(
    ("table", "ids"),
    [
        ("id {serial}, email VARCHAR(80) UNIQUE NOT NULL", [{"id": 1}, {"id": 2}]),
        ("email VARCHAR(80) PRIMARY KEY", [{"email": "a"}, {"email": "b"}]),
        ("email VARCHAR(80)", [{"email": "a"}, {"email": "b"}]),
        (
            "tenant INTEGER NOT NULL DEFAULT 3, email VARCHAR(80), code VARCHAR(9) NOT NULL DEFAULT 'x', "
            "PRIMARY KEY (tenant, email)",
            [{"email": "a", "tenant": 3}, {"email": "b", "tenant": 3}],
        ),
    ],
    ids=["serial", "the key", "nothing", "composite"],
)
async def test_the_identifying_columns_are_chosen_from_the_table(
    database: Database, start: Start, table: str, ids: list[dict[str, Value]]
) -> None:
    database.sql(f"CREATE TABLE app_user (name VARCHAR(80), active BOOLEAN, {table})")
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "a", person("a")), user(Op.CREATE, "b", person("b")))
    assert [json.loads(runs.links[Kind.USER, "hr", f"id of {key}"]) for key in "ab"] == ids
    assert [held.target_id for held in await runs.read(Kind.USER, *map(json.dumps, ids))] == [
        json.dumps(some, separators=(",", ":")) for some in ids
    ]


async def test_a_column_that_no_rule_writes_is_preferred_to_a_primary_key_in_the_rules(
    database: Database, start: Start
) -> None:
    database.sql(
        "CREATE TABLE app_user (email VARCHAR(80) PRIMARY KEY, name VARCHAR(80) NOT NULL UNIQUE, active BOOLEAN, "
        "number INTEGER NOT NULL UNIQUE)",
        "INSERT INTO app_user VALUES ('a', 'n', true, 7)",
    )
    ((_, held),) = await start(APP, tables=TABLES).find(Kind.USER, lookup("a"))
    assert held.target_id == '{"number":7}'


async def test_an_earlier_form_of_a_target_id_is_read_and_replaced(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, name VARCHAR(80), active BOOLEAN)",
        "INSERT INTO app_user (email, name, active) VALUES ('a', 'n', true)",
    )
    runs = start(APP, tables=TABLES)
    runs.links[Kind.USER, "hr", "id of a"] = '{"email":"a"}'
    assert await runs(user(Op.UPDATE, "a", person("a", "new"))) == [DELIVERED]
    assert runs.links[Kind.USER, "hr", "id of a"] == '{"id":1}'
    runs.links[Kind.USER, "hr", "id of a"] = '{"gone":"a"}'
    (outcome,) = await runs(user(Op.UPDATE, "a", person("a", "newer")))
    assert outcome.error == 'table `app_user` has no columns for the target id {"gone":"a"}'
    assert columns(database, "app_user", ["name"], "id") == [("new",)]


async def test_a_key_that_identifies_moves_with_its_row(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (email VARCHAR(80) PRIMARY KEY, name VARCHAR(80), active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "a", person("a")))
    assert await runs(user(Op.UPDATE, "a", person("z"), email="a")) == [DELIVERED]
    assert runs.links[Kind.USER, "hr", "id of a"] == '{"email":"z"}'


async def test_a_missing_row_is_reported(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, name VARCHAR(80), active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    ops = (Op.UPDATE, Op.DEACTIVATE, Op.REACTIVATE, Op.ADOPT, Op.DELETE)
    changes = [replace(user(op, f"k{op}", person("x")), target_id='{"id":9}') for op in ops]
    outcomes = await runs(*changes)
    assert [(outcome.error, outcome.absent) for outcome in outcomes] == [(None, True)] * len(ops)


async def test_a_reused_id_is_detected(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, name VARCHAR(80), active BOOLEAN)",
        "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
        "CREATE TABLE member (user_id INTEGER, group_id INTEGER, "
        "CONSTRAINT fu FOREIGN KEY (user_id) REFERENCES app_user (id), "
        "CONSTRAINT fg FOREIGN KEY (group_id) REFERENCES app_group (id))",
        "INSERT INTO app_user (email, name, active) VALUES ('x', 'Xaver', true)",
    )
    runs = start(APP, tables={"users": "app_user", "groups": "app_group", "memberships": "member"})
    await runs(group(Op.CREATE, "g", {"name": "g"}))
    runs.links[Kind.USER, "hr", "id of a"] = '{"id":1}'
    ada = person("a", "Ada")
    update = user(Op.UPDATE, "a", {**ada, "name": "Ada L"}, **ada)
    outcomes = await runs(update, replace(update, op=Op.DELETE), edges(Op.ADD, "g", "a"))
    said = "the row with id=1 is not the one that was delivered: it has email 'x'"
    assert [str(outcome.error).startswith(said) for outcome in outcomes] == [True, True, False]
    assert outcomes[2].refused["id of a"].startswith(said)
    assert columns(database, "app_user", ["email", "name", "active"], "id") == [("x", "Xaver", True)]
    # Something else that it had before shows that it is the one: its key was changed by the application.
    xaver = person("y", "Xaver")
    assert await runs(user(Op.UPDATE, "a", {**xaver, "name": "X"}, **xaver)) == [DELIVERED]


async def test_own_tables_store_the_record_of_a_row(database: Database, start: Start) -> None:
    ruled = start(APP, create_tables=True)
    await ruled(user(Op.CREATE, "a", person("a")))
    assert ruled.links == {(Kind.USER, "hr", "id of a"): '{"directory":"hr","record_id":"id of a"}'}
    ((_, held),) = await ruled.find(Kind.USER, replace(lookup("z"), id="id of a"))
    assert (held.key, held.record) == ("a", ("hr", "id of a"))
    ((_, held),) = await ruled.find(Kind.USER, replace(lookup("a"), id="another"))
    assert (held.key, held.record) == ("a", ("hr", "id of a"))
    (outcome,) = await ruled(replace(user(Op.CREATE, "q", person("q")), id="id of a"))
    assert "already exists" in str(outcome.error)
    # Another record may take the row over: it is its own from then on, with the memberships that it has.
    await ruled(group(Op.CREATE, "g", {"name": "g"}), edges(Op.ADD, "g", "a"))
    adopted = Change(Op.ADOPT, Kind.USER, "hr", "new", "a", None, person("a"), target_id=held.target_id)
    assert await ruled(adopted) == [DELIVERED]
    assert ruled.links[Kind.USER, "hr", "new"] == '{"directory":"hr","record_id":"new"}'
    assert columns(database, "users", ["email", "directory", "record_id"], "email") == [("a", "hr", "new")]
    assert columns(database, "group_members", ["group_id", "member_id"], "group_id") == [("id of g", "new")]


async def test_own_tables_without_rules_are_identified_by_the_record(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1"), create("g1", Kind.GROUP), own_edges(Op.ADD, "g1", "u1"))
    assert runs.links[Kind.USER, "hr", "u1"] == '{"directory":"hr","id":"u1"}'
    ((_, held),) = await runs.find(Kind.USER, lookup("u1"), replace(lookup("u1"), directory="other"))
    assert held.record == ("hr", "u1")


@pytest.mark.parametrize("name", ["directory", "record_id"])
async def test_rules_may_not_set_the_record_of_a_row(database: Database, start: Start, name: str) -> None:
    runs = start(layouts(("email", name)), create_tables=True)
    for attempt in (runs.check(), runs.identity(), runs.prepare()):
        with pytest.raises(TargetError, match=f"`set` of the users names `{name}`") as raised:
            await attempt
        assert "another name" in str(raised.value.remedy)


async def test_check_names_the_identifying_columns(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, name VARCHAR(80), active BOOLEAN)")
    assert any("rows are identified by `id`" in line for line in await start(APP, tables=TABLES).check())
    database.sql("DROP TABLE app_user", "CREATE TABLE app_user (email VARCHAR(80), name TEXT, active BOOLEAN)")
    assert any("an exchange between two records is refused" in x for x in await start(APP, tables=TABLES).check())


async def test_the_identity_is_the_targets_own(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (email VARCHAR(80), name VARCHAR(80), active BOOLEAN)")
    one = await start(APP, tables=TABLES).identity()
    assert json.loads(one)["tables"] == ["app_user", "groups", "group_members"]
    assert await start(APP, tables=TABLES).identity() == one
    with pytest.raises(TargetError, match="`app_users` does not exist"):
        await start(APP, tables={"users": "app_users"}).identity()
    with pytest.raises(TargetError, match="no column `mail`"):
        await start(layouts(("mail", "active")), tables=TABLES).identity()


async def test_places_name_the_tables_of_each_kind(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (email VARCHAR(80), name VARCHAR(80), active BOOLEAN)",
        "CREATE TABLE team (name VARCHAR(80))",
    )
    one, two = await start(APP, tables=TABLES).places(), await start(APP, tables=TABLES | {"groups": "team"}).places()
    assert list(one) == [Kind.USER], "it has no groups"
    assert one[Kind.USER] == two[Kind.USER] != two[Kind.GROUP]
    assert json.loads(two[Kind.GROUP])["tables"] == ["team"]
    assert list(await start(create_tables=True).places()) == list(Kind)


async def test_before_the_tables_exist_no_object_is_found(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    assert await runs.identity()
    assert await runs.find(Kind.USER, lookup("a")) == []
    assert await runs.read(Kind.GROUP, '{"directory":"hr","id":"g"}') == []
    if database.dialect == "sqlite":
        assert "app.db" in await runs.identity()


@only("postgresql")
async def test_rights_are_checked(database: Database, start: Start) -> None:
    database.sql(
        "CREATE ROLE reader LOGIN", "CREATE TABLE app_user (email TEXT, name TEXT, active BOOLEAN)",
        "GRANT SELECT, INSERT ON app_user TO reader",
    )  # fmt: skip
    url = database.url.replace("usersyncd@", "reader@")
    with pytest.raises(TargetError, match="reader may not UPDATE, DELETE on app_user") as raised:
        await start(APP, tables=TABLES, url=url).check()
    assert raised.value.remedy == "GRANT UPDATE, DELETE ON app_user TO reader"
    database.sql("REVOKE SELECT ON app_user FROM reader")
    with pytest.raises(TargetError, match="denied"):
        await start(APP, tables=TABLES, url=url).identity()


def lookup(key: str) -> Lookup:
    return Lookup("hr", key, key)


@only("postgresql")
async def test_a_value_without_equality_does_not_identify_a_row(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (id {serial}, email TEXT UNIQUE, value XML)")
    runs = start(layouts(("email", "value")), tables={"users": "app_user"})
    ada, bob = ({"email": email, "value": "<same/>"} for email in ("ada", "bob"))
    assert await runs(user(Op.CREATE, "ada", ada), user(Op.CREATE, "bob", bob)) == [DELIVERED] * 2
    database.sql("UPDATE app_user SET email = 'theirs' WHERE email = 'ada'")
    ada_after = {**ada, "value": "<other/>"}
    refused, other = await runs(
        user(Op.UPDATE, "ada", ada_after, **ada), user(Op.UPDATE, "bob", {**bob, "value": "<other/>"}, **bob)
    )
    assert "is not the one that was delivered" in str(refused.error)
    assert other == DELIVERED


async def test_values_that_other_rows_have_do_not_identify_a_row(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, name VARCHAR(80), active BOOLEAN)",
        "INSERT INTO app_user (email, name, active) VALUES ('zoe', 'Sales', true), ('bob', 'Sales', true)",
    )
    runs = start(APP, tables={"users": "app_user"})
    runs.links[Kind.USER, "hr", "id of a"] = '{"id":1}'
    leaver = person("a", "Sales")
    for op in (Op.UPDATE, Op.DEACTIVATE, Op.DELETE):
        after = None if op is Op.DELETE else leaver | {"active": False}
        (outcome,) = await runs(replace(user(op, "a", after, **leaver)))
        assert "is not the one that was delivered" in str(outcome.error), op
    assert columns(database, "app_user", ["email", "active"], "id") == [("zoe", True), ("bob", True)]
    # What tells is enough, though somebody else has the rest too.
    database.sql("UPDATE app_user SET name = 'Zoe' WHERE email = 'zoe'")
    zoe = person("changed by hand", "Zoe")
    assert await runs(replace(user(Op.DEACTIVATE, "a", {**zoe, "active": False}, **zoe))) == [DELIVERED]
