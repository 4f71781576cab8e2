"""Memberships in tables of the application: by foreign keys, or by columns that the options name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.connectors.sql.changes import edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Op, Outcome

Start = Callable[..., Runs]

APP = layouts(("external_id", "active"), ("name",))
TABLES = {"users": "app_user", "groups": "app_group", "memberships": "app_user_group"}
RECORDS = (
    "CREATE TABLE app_user (id {serial}, external_id VARCHAR(40) UNIQUE, active BOOLEAN)",
    "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
    # So that the numbers of users and groups differ from each other and from the order of delivery.
    "INSERT INTO app_user (external_id, active) VALUES ('first', true), ('second', true)",
)
BY_NUMBER = (
    *RECORDS,
    "CREATE TABLE app_user_group (user_id INTEGER NOT NULL, group_id INTEGER NOT NULL, "
    "PRIMARY KEY (user_id, group_id), CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES app_user (id), "
    "CONSTRAINT fk_group FOREIGN KEY (group_id) REFERENCES app_group (id))",
)
BY_KEY = (*RECORDS, "CREATE TABLE app_user_group (person VARCHAR(40), team VARCHAR(40), since {moment} NULL)")


def people(*keys: str) -> list[Change]:
    return [user(Op.CREATE, key, {"external_id": key, "active": True}) for key in keys]


def teams(*names: str) -> list[Change]:
    return [group(Op.CREATE, name, {"name": name}) for name in names]


def held(database: Database) -> set[tuple[str, str]]:
    """Return the memberships (group, user) by name, from a table with foreign keys."""
    rows = database.sql(
        "SELECT g.name, u.external_id FROM app_user_group m "
        "JOIN app_user u ON u.id = m.user_id JOIN app_group g ON g.id = m.group_id"
    )
    return set(rows)


async def test_foreign_keys_say_which_column_is_which(database: Database, start: Start) -> None:
    database.sql(*BY_NUMBER)
    runs = start(APP, tables=TABLES)
    made = [*people("a", "b", "c"), *teams("x", "y")]
    added = [edges(Op.ADD, "x", "a", "b"), edges(Op.ADD, "y", "b", "c")]
    assert await runs(*made) == [DELIVERED] * 5
    for _ in range(2):  # the second time nothing changes
        assert await runs(*added) == [DELIVERED] * 2
        assert held(database) == {("x", "a"), ("x", "b"), ("y", "b"), ("y", "c")}
    for _ in range(2):
        gone = replace(edges(Op.REMOVE, "y", "b"), target_id='{"id":99}')
        assert await runs(edges(Op.REMOVE, "y", "b"), gone) == [DELIVERED, Outcome(absent=True)]
        assert held(database) == {("x", "a"), ("x", "b"), ("y", "c")}
    assert await runs(user(Op.DELETE, "b"), group(Op.DELETE, "y")) == [DELIVERED] * 2
    assert held(database) == {("x", "a")}


async def test_with_foreign_keys_a_changed_key_keeps_its_memberships(database: Database, start: Start) -> None:
    database.sql(*BY_NUMBER)
    runs = start(APP, tables=TABLES)
    await runs(*people("a"), *teams("x"), edges(Op.ADD, "x", "a"))
    renamed = user(Op.UPDATE, "a", {"external_id": "z", "active": True}, external_id="a")
    assert await runs(renamed) == [DELIVERED]
    assert held(database) == {("x", "z")}


async def test_an_impossible_membership_is_refused_by_name_and_the_others_are_added(
    database: Database, start: Start
) -> None:
    database.sql(*BY_NUMBER)
    runs = start(APP, tables=TABLES)
    changes = [
        *people("a"),
        *teams("x", "sub"),
        edges(Op.ADD, "x", "a", "ghost", nested=("sub",)),
        edges(Op.ADD, "gone", "a"),
    ]
    runs.links[Kind.USER, "hr", "id of ghost"] = runs.links[Kind.GROUP, "hr", "id of gone"] = '{"id":99}'
    *records, mixed, lost = await runs(*changes)
    assert records == [DELIVERED] * 3
    assert mixed == Outcome(
        refused={
            "id of ghost": "table `app_user` has no row with id=99",
            "id of sub": "is a group, and table `app_user_group` holds users only: set memberships: flattened",
        },
        gone=frozenset({"id of ghost"}),
    )
    assert lost == Outcome(absent=True)
    assert held(database) == {("x", "a")}


async def test_a_constraint_that_refuses_one_membership_affects_no_other(database: Database, start: Start) -> None:
    database.sql(
        *BY_NUMBER[:-1], BY_NUMBER[-1].replace("PRIMARY KEY", "CONSTRAINT no_seven CHECK (user_id <> 7), PRIMARY KEY")
    )
    runs = start(APP, tables=TABLES)
    await runs(*people(*"abcdefgh"), *teams("x"))
    (outcome,) = await runs(edges(Op.ADD, "x", *"abcdefgh"))
    assert outcome.error is None
    assert list(outcome.refused) == ["id of e"]
    assert "no_seven" in outcome.refused["id of e"]
    assert held(database) == {("x", key) for key in "abcdfgh"}


async def test_without_foreign_keys_the_options_name_the_columns(database: Database, start: Start) -> None:
    database.sql(*BY_KEY)
    runs = start(APP, tables=TABLES, memberships={"user": "person", "group": "team"})
    assert await runs(*people("a", "b"), *teams("x", "y")) == [DELIVERED] * 4
    for _ in range(2):
        assert await runs(edges(Op.ADD, "x", "a", "b"), edges(Op.ADD, "y", "b")) == [DELIVERED] * 2
        assert set(columns(database, "app_user_group", ["team", "person"], "team")) == {
            ("x", "a"),
            ("x", "b"),
            ("y", "b"),
        }
    assert await runs(edges(Op.REMOVE, "x", "a"), user(Op.DELETE, "a"), group(Op.DELETE, "y")) == [DELIVERED] * 3
    assert columns(database, "app_user_group", ["team", "person", "since"], "team") == [("x", "b", None)]
    (outcome,) = await runs(edges(Op.ADD, "x", nested=("y",)))
    assert outcome.refused["id of y"].startswith("is a group, and table `app_user_group` holds users only")


async def test_edges_that_hold_keys_follow_a_changed_key(database: Database, start: Start) -> None:
    database.sql(*BY_KEY)
    runs = start(APP, tables=TABLES, memberships={"user": "person", "group": "team"})
    await runs(*people("a", "b"), *teams("x"), edges(Op.ADD, "x", "a", "b"))
    renamed = user(Op.UPDATE, "a", {"external_id": "z", "active": True}, external_id="a")
    moved = Change(Op.UPDATE, group(Op.CREATE, "x").kind, "hr", "id of x", "x", {"name": "x"}, {"name": "team x"})
    assert await runs(renamed, moved) == [DELIVERED] * 2
    assert set(columns(database, "app_user_group", ["team", "person"], "team")) == {("team x", "z"), ("team x", "b")}


async def test_in_our_own_table_edges_are_those_of_records_whatever_their_keys(
    database: Database, start: Start
) -> None:
    runs = start(APP, create_tables=True)
    await runs(*people("a"), *teams("x", "sub"), edges(Op.ADD, "x", "a", nested=("sub",)), edges(Op.ADD, "sub", "a"))
    renamed = user(Op.UPDATE, "a", {"external_id": "z", "active": True}, external_id="a")
    moved = Change(Op.UPDATE, group(Op.CREATE, "sub").kind, "hr", "id of sub", "sub", {"name": "sub"}, {"name": "part"})
    assert await runs(renamed, moved) == [DELIVERED] * 2
    found = set(columns(database, "group_members", ["group_id", "member_id"], "group_id"))
    assert found == {("id of x", "id of a"), ("id of x", "id of sub"), ("id of sub", "id of a")}


async def test_the_error_asks_for_membership_columns_that_it_cannot_find(database: Database, start: Start) -> None:
    database.sql(*BY_KEY)
    with pytest.raises(TargetError, match="`app_user_group` has no foreign key to `app_user`") as raised:
        await start(APP, tables=TABLES).check()
    assert "memberships: {user: COLUMN, group: COLUMN}" in str(raised.value.remedy)
    wrong = start(APP, tables=TABLES, memberships={"user": "persn", "group": "team"})
    with pytest.raises(TargetError, match="no column `persn`; the nearest is `person`"):
        await wrong(*people("a"), *teams("x"), edges(Op.ADD, "x", "a"))


async def test_the_error_asks_which_of_two_foreign_keys_to_users_is_meant(database: Database, start: Start) -> None:
    database.sql(
        *RECORDS,
        "CREATE TABLE app_user_group (user_id INTEGER NOT NULL, added_by INTEGER, group_id INTEGER NOT NULL, "
        "CONSTRAINT fk_user FOREIGN KEY (user_id) REFERENCES app_user (id), "
        "CONSTRAINT fk_adder FOREIGN KEY (added_by) REFERENCES app_user (id), "
        "CONSTRAINT fk_group FOREIGN KEY (group_id) REFERENCES app_group (id))",
    )
    with pytest.raises(TargetError, match="has 2 foreign keys"):
        await start(APP, tables=TABLES).check()
    runs = start(APP, tables=TABLES, memberships={"user": "user_id", "group": "group_id"})
    assert await runs(*people("a"), *teams("x"), edges(Op.ADD, "x", "a")) == [DELIVERED] * 3
    assert held(database) == {("x", "a")}


async def test_many_memberships_are_added_and_removed(database: Database, start: Start) -> None:
    runs = start(APP, create_tables=True)
    keys = [f"u{n}" for n in range(1_200)]
    added = [edges(Op.ADD, f"g{n}", *keys[n : n + 1_000]) for n in range(4)]
    assert await runs(*people(*keys), *teams(*(f"g{n}" for n in range(4)))) == [DELIVERED] * 1_204
    assert await runs(*added) == [DELIVERED] * 4
    assert database.sql("SELECT count(*) FROM group_members") == [(4_000,)]
    more = [edges(Op.ADD, "g0", *keys), edges(Op.REMOVE, "g1", *keys)]
    assert await runs(*more) == [DELIVERED] * 2
    assert database.sql("SELECT group_id, count(*) FROM group_members GROUP BY group_id ORDER BY group_id") == [
        ("id of g0", 1_200), ("id of g2", 1_000), ("id of g3", 1_000),
    ]  # fmt: skip
    assert await runs(*(user(Op.DELETE, key) for key in keys)) == [DELIVERED] * 1_200
    assert database.sql("SELECT count(*) FROM group_members") == [(0,)]
