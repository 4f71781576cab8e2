"""Unique values are exchanged and passed on within one batch. A record that prevents this is refused alone, by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
from msgspec.structs import replace

from tests.connectors.sql.changes import edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns, only
from usersyncd.plugin import DELIVERED, Change, Op, Value

Start = Callable[..., Runs]

APP = layouts(("email", "nick", "active"))
TABLES = {"users": "app_user"}
SHAPES = {
    "serial, nullable": "id {serial}, email VARCHAR(80) UNIQUE, nick VARCHAR(40) UNIQUE",
    "serial, not null": "id {serial}, email VARCHAR(80) NOT NULL UNIQUE, nick VARCHAR(40) NOT NULL UNIQUE",
    "composite": "id INTEGER NOT NULL DEFAULT 1, no {serial}, email VARCHAR(80) NOT NULL, nick VARCHAR(40) UNIQUE, "
    "UNIQUE (id, email)",
}


def person(email: str, nick: str) -> dict[str, Value]:
    return {"email": email, "nick": nick, "active": True}


def moved(record: str, old: str, new: str, nick: tuple[str, str] | None = None) -> Change:
    before, after = nick or (f"nick {record}", f"nick {record}")
    change = user(Op.UPDATE, old, person(new, after), **person(old, before))
    return replace(change, id=f"id of {record}")


def held(database: Database) -> dict[Any, Any]:
    return {nick: email for email, nick in columns(database, "app_user", ["email", "nick"], "email")}


async def made(database: Database, start: Start, table: str, names: Collection[str]) -> Runs:
    database.sql(f"CREATE TABLE app_user (active BOOLEAN, {table})")
    runs = start(APP, tables=TABLES)
    assert await runs(*(user(Op.CREATE, n, person(n, f"nick {n}")) for n in names)) == [DELIVERED] * len(names)
    return runs


@pytest.mark.parametrize("table", SHAPES.values(), ids=SHAPES)
async def test_keys_are_exchanged_in_circles_and_chains(database: Database, start: Start, table: str) -> None:
    runs = await made(database, start, table, "abcdefghij")
    circle = [moved(a, a, b) for a, b in ("ab", "bc", "ca")]
    chain = [moved(a, a, b) for a, b in ("de", "ef", "fg", "gh", "hz")]
    assert await runs(*circle, *chain) == [DELIVERED] * 8
    expected = {**dict(zip("abc", "bca", strict=True)), **dict(zip("defgh", "efghz", strict=True)), "i": "i", "j": "j"}
    assert held(database) == {f"nick {who}": email for who, email in expected.items()}


@pytest.mark.parametrize("table", SHAPES.values(), ids=SHAPES)
async def test_other_unique_columns_are_exchanged_too(database: Database, start: Start, table: str) -> None:
    runs = await made(database, start, table, "abc")
    swap = [moved("a", "a", "a", ("nick a", "nick b")), moved("b", "b", "b", ("nick b", "nick a"))]
    assert await runs(*swap) == [DELIVERED] * 2
    assert held(database) == {"nick b": "a", "nick a": "b", "nick c": "c"}


async def test_numbers_and_short_texts_are_exchanged_or_ordered(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, nick INTEGER NOT NULL UNIQUE, active BOOLEAN)"
    )
    runs = start(APP, tables=TABLES)
    people = [user(Op.CREATE, n, {"email": n, "nick": k, "active": True}) for k, n in enumerate("abc")]
    await runs(*people)
    turned = [
        user(Op.UPDATE, n, {"email": n, "nick": (k + 1) % 3, "active": True}) for k, n in enumerate("abc")
    ]  # fmt: skip
    assert await runs(*turned) == [DELIVERED] * 3
    assert columns(database, "app_user", ["email", "nick"], "email") == [("a", 1), ("b", 2), ("c", 0)]


async def test_only_the_invalid_change_and_its_dependents_are_refused(database: Database, start: Start) -> None:
    table = "id {serial}, email VARCHAR(80) NOT NULL UNIQUE, nick VARCHAR(40), CONSTRAINT real_nick CHECK (nick <> '-')"
    runs = await made(database, start, table, "abcdxyz")
    swap = [moved("x", "x", "y"), moved("y", "y", "x")]
    chain = [moved("a", "a", "b"), moved("b", "b", "c"), moved("c", "c", "q", ("nick c", "-")), moved("d", "d", "d2")]
    outcomes = await runs(*swap, *chain, moved("z", "z", "z2"))
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, False, False, True, True]
    assert "real_nick" in str(outcomes[4].error)
    assert "`email` 'c' already belongs to the row with `email` 'c'" in str(outcomes[3].error)
    assert set(held(database).values()) == {"y", "x", "a", "b", "c", "d2", "z2"}


@pytest.mark.parametrize("constraint", ["PRIMARY KEY", ""], ids=["primary key", "no constraint"])
async def test_where_only_the_key_identifies_a_row_chains_are_ordered_and_circles_refused(
    database: Database, start: Start, constraint: str
) -> None:
    runs = await made(database, start, f"email VARCHAR(80) {constraint}, nick VARCHAR(40)", "abcde")
    assert await runs(*(moved(a, a, b) for a, b in ("ab", "bc", "cz"))) == [DELIVERED] * 3
    assert held(database) == {"nick a": "b", "nick b": "c", "nick c": "z", "nick d": "d", "nick e": "e"}
    for outcome in await runs(moved("d", "d", "e"), moved("e", "e", "d")):
        assert "usersyncd identifies the rows of `app_user` by it" in str(outcome.error)
    assert held(database)["nick d"] == "d"
    assert held(database)["nick e"] == "e"


async def test_memberships_that_hold_keys_follow_an_exchange(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, nick VARCHAR(40), active BOOLEAN)",
        "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
        "CREATE TABLE member (person VARCHAR(80), team VARCHAR(40), since INTEGER DEFAULT 7, "
        "PRIMARY KEY (person, team))",
    )
    tables = {"users": "app_user", "groups": "app_group", "memberships": "member"}
    runs = start(APP, tables=tables, memberships={"user": "person", "group": "team"})
    await runs(*(user(Op.CREATE, n, person(n, f"nick {n}")) for n in "abcd"))
    await runs(*(group(Op.CREATE, g, {"name": g}) for g in ("x", "y")))
    await runs(edges(Op.ADD, "x", "a", "b"), edges(Op.ADD, "y", "b", "c"))
    moves = [moved("a", "a", "b"), moved("b", "b", "a"), moved("c", "c", "e"), moved("d", "d", "c")]
    assert await runs(*moves) == [DELIVERED] * 4
    assert set(columns(database, "member", ["team", "person", "since"], "team")) == {
        ("x", "a", 7), ("x", "b", 7), ("y", "a", 7), ("y", "e", 7),
    }  # fmt: skip
    # Under the key that was refused the membership is found by its row all the same.
    refused, removed = await runs(moved("d", "c", "a"), replace(edges(Op.REMOVE, "y", "e"), id="id of y"))
    assert "already belongs" in str(refused.error)
    assert removed == DELIVERED
    assert ("y", "e") not in columns(database, "member", ["team", "person"], "team")


async def test_a_new_row_gets_the_value_that_an_update_frees(database: Database, start: Start) -> None:
    runs = await made(database, start, SHAPES["serial, not null"], "ab")
    newcomer = replace(user(Op.CREATE, "a", person("a", "nick new")), id="new")
    assert await runs(newcomer, moved("a", "a", "a2")) == [DELIVERED] * 2
    assert held(database) == {"nick a": "a2", "nick b": "b", "nick new": "a"}


async def test_many_exchanges_are_written_in_one_step(database: Database, start: Start) -> None:
    database.sql(f"CREATE TABLE app_user (active BOOLEAN, {SHAPES['serial, not null']})")
    runs = start(APP, tables=TABLES)
    names = [f"u{n:04}" for n in range(2_000)]
    await runs(*(user(Op.CREATE, name, person(name, f"nick {name}")) for name in names))
    turned = [moved(a, a, b) for a, b in zip(names, [*names[1:], names[0]], strict=True)]
    assert await runs(*turned) == [DELIVERED] * len(names)
    assert held(database)["nick u0000"] == "u0001"


@only("sqlite", "postgresql")
async def test_rows_that_refer_to_an_exchanged_key_follow_it(database: Database, start: Start) -> None:
    runs = await made(database, start, "id {serial}, email VARCHAR(80) UNIQUE, nick VARCHAR(40)", "abc")
    database.sql(
        "CREATE TABLE note (text VARCHAR(40), email VARCHAR(80) REFERENCES app_user (email) ON UPDATE CASCADE)",
        "INSERT INTO note VALUES ('of a', 'a'), ('of b', 'b'), ('of c', 'c')",
    )
    assert await runs(*(moved(a, a, b) for a, b in ("ab", "bc", "ca"))) == [DELIVERED] * 3
    assert columns(database, "note", ["text", "email"], "text") == [("of a", "b"), ("of b", "c"), ("of c", "a")]


@only("sqlite", "postgresql")
async def test_keys_that_differ_only_in_case_are_exchanged(database: Database, start: Start) -> None:
    runs = await made(database, start, SHAPES["serial, not null"], ["ann", "ANN", "bob"])
    assert await runs(moved("ann", "ann", "ANN"), moved("ANN", "ANN", "ann")) == [DELIVERED] * 2
    assert held(database) == {"nick ann": "ANN", "nick ANN": "ann", "nick bob": "bob"}


BOTH = {
    "a primary key that rules write": "email VARCHAR(80) NOT NULL UNIQUE, nick VARCHAR(40) PRIMARY KEY",
    "a unique column that rules write": "email VARCHAR(80) NOT NULL UNIQUE, nick VARCHAR(40) NOT NULL UNIQUE",
}


@pytest.mark.parametrize("table", BOTH.values(), ids=BOTH)
async def test_an_identifying_column_that_rules_write_is_not_exchanged(
    database: Database, start: Start, table: str
) -> None:
    runs = await made(database, start, table, "abc")
    assert await runs(moved("a", "a", "b"), moved("b", "b", "a")) == [DELIVERED] * 2
    assert held(database) == {"nick a": "b", "nick b": "a", "nick c": "c"}
    swap = [moved("a", "b", "a", ("nick a", "nick b")), moved("b", "a", "b", ("nick b", "nick a"))]
    for outcome in await runs(*swap):
        assert outcome.error == (
            "it exchanges `nick` with others, but usersyncd identifies the rows of `app_user` by it\n"
            "  → give the table a primary key that no rule writes, or give one of them another value first"
        )
    assert held(database) == {"nick a": "b", "nick b": "a", "nick c": "c"}
    assert await runs(moved("a", "b", "b", ("nick a", "nick d"))) == [DELIVERED]
