"""Own tables with rules from the last release: their rows are identified by keys, and memberships contain keys."""

from __future__ import annotations

from collections.abc import Callable

from tests.connectors.sql.changes import edges, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, columns
from usersyncd.plugin import DELIVERED, Change, Kind, Lookup, Op

Start = Callable[..., Runs]

APP = layouts(("login", "active"), ("name",))
BINARY = {"mariadb": " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}


def of_last_release(database: Database) -> None:
    text = f"VARCHAR(255){BINARY.get(database.dialect, '')} NOT NULL"
    database.sql(
        f"CREATE TABLE users (login {text} PRIMARY KEY, active BOOLEAN)",
        f'CREATE TABLE "groups" (name {text} PRIMARY KEY)',
        f"CREATE TABLE group_members (directory {text}, group_id {text}, member_id {text}, "
        "PRIMARY KEY (directory, group_id, member_id))",
        "INSERT INTO users VALUES ('ada', true), ('bob', true), ('cem', true), ('stray', true)",
        "INSERT INTO \"groups\" VALUES ('x'), ('y')",
        "INSERT INTO group_members VALUES ('hr', 'x', 'ada'), ('hr', 'x', 'bob'), ('hr', 'y', 'cem'), "
        "('hr', 'x', 'y'), ('hr', 'y', 'stray')",
    )


EARLIER = {
    # Bob's key is Ada's id, and the other way round.
    Kind.USER: [Lookup("hr", "bob", "ada"), Lookup("hr", "ada", "bob"), Lookup("hr", "3", "cem")],
    Kind.GROUP: [Lookup("hr", "g1", "x"), Lookup("hr", "g2", "y")],
}
MEMBERS = {("g1", "bob"), ("g1", "ada"), ("g2", "3"), ("g1", "g2"), ("g2", "stray")}


async def test_rows_and_memberships_become_those_of_records(database: Database, start: Start) -> None:
    of_last_release(database)
    runs = start(APP, create_tables=True)
    runs.earlier = EARLIER
    assert await runs.identity()
    assert any("would be extended by directory, record_id" in line for line in await runs.check())
    ((_, held),) = await runs.find(Kind.USER, Lookup("hr", "bob", "ada"))
    assert (held.target_id, held.record) == ('{"login":"ada"}', None)
    for _ in range(2):
        await runs.prepare()
        assert columns(database, "users", ["login", "directory", "record_id"], "login") == [
            ("ada", "hr", "bob"), ("bob", "hr", "ada"), ("cem", "hr", "3"), ("stray", None, None),
        ]  # fmt: skip
        assert set(columns(database, "group_members", ["group_id", "member_id"], "group_id")) == MEMBERS
    ((_, held),) = await runs.find(Kind.USER, Lookup("hr", "bob", "ada"))
    assert (held.target_id, held.record) == ('{"directory":"hr","record_id":"bob"}', ("hr", "bob"))
    swap = [
        Change(Op.UPDATE, Kind.USER, "hr", "bob", "ada", None, {"login": "bob", "active": True}),
        Change(Op.UPDATE, Kind.USER, "hr", "ada", "bob", None, {"login": "ada", "active": True}),
    ]
    assert await runs(*swap) == [DELIVERED] * 2
    assert columns(database, "users", ["login", "record_id"], "login")[:2] == [("ada", "ada"), ("bob", "bob")]
    assert (
        await runs(user(Op.CREATE, "new", {"login": "new", "active": True}), edges(Op.ADD, "x", "new"))
        == [DELIVERED] * 2
    )


async def test_an_adopted_row_without_a_record_gets_its_memberships(database: Database, start: Start) -> None:
    of_last_release(database)
    runs = start(APP, create_tables=True)
    runs.earlier = EARLIER
    await runs.prepare()
    shape = {"login": "stray", "active": True}
    adopted = Change(Op.ADOPT, Kind.USER, "hr", "9", "stray", None, shape, target_id='{"login":"stray"}')  # type: ignore[arg-type]
    assert await runs(adopted) == [DELIVERED]
    assert runs.links[Kind.USER, "hr", "9"] == '{"directory":"hr","record_id":"9"}'
    assert ("g2", "9") in columns(database, "group_members", ["group_id", "member_id"], "group_id")
    assert ("stray", "hr", "9") in columns(database, "users", ["login", "directory", "record_id"], "login")


async def test_without_earlier_links_no_row_is_lost(database: Database, start: Start) -> None:
    of_last_release(database)
    runs = start(APP, create_tables=True)
    await runs.prepare()
    assert len(columns(database, "group_members", ["group_id", "member_id"], "group_id")) == 5
    assert columns(database, "users", ["record_id"], "login") == [(None,)] * 4
