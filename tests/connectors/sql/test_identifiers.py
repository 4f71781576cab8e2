"""Names of tables and columns with characters that mean something in SQL, in drivers or in SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.connectors.sql.changes import edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database
from usersyncd.plugin import DELIVERED, Kind, Lookup, Op, Value

Start = Callable[..., Runs]

NAMES = (
    "%s %(name)s %% :name ? {brace}",
    "back`tick quo\"te apo'strophe do.t",
    "par(en) bra[ck]et back\\slash semi;colon --",
)


def quoted(database: Database, name: str) -> str:
    """A name for the statements of a test, which double the percent sign nowhere."""
    if database.dialect == "mariadb":
        return f"\0{name.replace('`', '``')}\0".replace('"', "\1")
    return '"{}"'.format(name.replace('"', '""'))


def statements(database: Database, *texts: str) -> list[tuple[object, ...]]:
    """Run statements whose names :func:`quoted` has quoted: the helper replaces quotes on MariaDB."""
    if database.dialect != "mariadb":
        return database.sql(*texts)
    texts = tuple(text.replace("\0", "`").replace("\1", '"') for text in texts)
    return database.server.sql(database.url, *texts)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("name", NAMES, ids=["percent", "quotes", "others"])
async def test_a_name_with_special_characters_works_in_every_statement(
    database: Database, start: Start, name: str
) -> None:
    column, other, active = f"k{name}", f"o{name}", "active"
    users, groups, members = (quoted(database, f"{kind}{name}") for kind in "ugm")
    key, value, of, team = (quoted(database, text) for text in (column, other, f"m{name}", f"t{name}"))
    statements(
        database,
        f"CREATE TABLE {users} ({key} VARCHAR(40) NOT NULL UNIQUE, {value} VARCHAR(40) UNIQUE, active BOOLEAN)",
        f"CREATE TABLE {groups} ({key} VARCHAR(40) NOT NULL UNIQUE)",
        f"CREATE TABLE {members} ({of} VARCHAR(40), {team} VARCHAR(40))",
    )
    runs = start(
        layouts((column, other, active), (column,)),
        tables={"users": f"u{name}", "groups": f"g{name}", "memberships": f"m{name}"},
        memberships={"user": f"m{name}", "group": f"t{name}"},
    )
    ada: dict[str, Value] = {column: "ada", other: "1", active: True}
    bob: dict[str, Value] = {column: "bob", other: "2", active: True}
    staff = group(Op.CREATE, "staff", {column: "staff"})
    created = [user(Op.CREATE, "ada", ada), user(Op.CREATE, "bob", bob), staff]
    assert await runs(*created, edges(Op.ADD, "staff", "ada", "bob")) == [DELIVERED] * 4
    exchanged = [
        user(Op.UPDATE, "ada", {**ada, other: "2"}, **ada),
        user(Op.DEACTIVATE, "bob", {**bob, other: "1", active: False}, **bob),
    ]
    assert await runs(*exchanged) == [DELIVERED] * 2
    assert statements(database, f"SELECT {key}, {value} FROM {users} ORDER BY {key}") == [("ada", "2"), ("bob", "1")]
    found = await runs.find(Kind.USER, Lookup("hr", "x", "bob"))
    assert [held.key for _, held in found] == ["bob"]
    target = runs.target()
    try:
        assert [held.key for held in await runs.read(Kind.USER, found[0][1].target_id)] == ["bob"]
        assert sorted([held.key async for held in target.list(Kind.USER)]) == ["ada", "bob"]
        team_id = runs.links[Kind.GROUP, "hr", "id of staff"]
        assert [len(some) async for some in target.members([team_id])] == [2]
        assert any(f"u{name}" in line for line in await target.check())
    finally:
        await target.close()
    renamed = user(Op.UPDATE, "bob", {**bob, column: "rob", other: "1"}, **{**bob, other: "1"})
    assert await runs(renamed, edges(Op.REMOVE, "staff", "ada")) == [DELIVERED] * 2
    assert statements(database, f"SELECT {of}, {team} FROM {members}") == [("rob", "staff")]
    gone = [user(Op.DELETE, "ada", None, **ada), group(Op.DELETE, "staff")]
    assert await runs(*gone) == [DELIVERED] * 2
    assert statements(database, f"SELECT {key} FROM {users}") == [("rob",)]


async def test_own_tables_may_have_such_names(database: Database, start: Start) -> None:
    columns = tuple(f"c{name}" for name in NAMES)
    runs = start(layouts(("login", *columns, "active")), create_tables=True)
    shape: dict[str, Value] = {"login": "v0", **{column: f"v{n}" for n, column in enumerate(columns)}, "active": True}
    assert await runs(user(Op.CREATE, "v0", shape)) == [DELIVERED]
    changed = {**shape, columns[-1]: "new"}
    assert await runs(user(Op.UPDATE, "v0", changed, **shape)) == [DELIVERED]
    [(_, held)] = await runs.find(Kind.USER, Lookup("hr", "id of v0", "v0"))
    assert {name: held.attributes[name] for name in changed} == changed
