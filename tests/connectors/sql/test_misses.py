"""Rows that the database drops or does not change, protected rows, and keys that the database treats as equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from msgspec.structs import replace

from tests.connectors.sql.changes import create, edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, ServerDatabase, columns, only
from usersyncd.core.protection import Protection
from usersyncd.plugin import DELIVERED, PROTECTED, Kind, Lookup, Op, Value

Start = Callable[..., Runs]

APP = layouts(("code", "name", "active"))
TABLES = {"users": "app_user"}


def person(code: str, name: str = "n") -> dict[str, Value]:
    return {"code": code, "name": name, "active": True}


@only("sqlite", "postgresql")
async def test_a_row_that_a_trigger_drops_is_refused_by_name(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (code VARCHAR(40) PRIMARY KEY, name VARCHAR(40), active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    await runs(*(user(Op.CREATE, n, person(n)) for n in "xyz"))
    if database.dialect == "sqlite":
        for event in ("INSERT", "UPDATE", "DELETE"):
            row = "OLD.code = 'x'" if event == "DELETE" else "NEW.name = 'blocked'"
            database.sql(
                f"CREATE TRIGGER drop_{event} BEFORE {event} ON app_user WHEN {row} BEGIN SELECT RAISE(IGNORE); END"
            )
    else:
        database.sql(
            "CREATE FUNCTION drop_some() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
            "IF TG_OP = 'DELETE' THEN IF OLD.code = 'x' THEN RETURN NULL; END IF; RETURN OLD; END IF; "
            "IF NEW.name = 'blocked' THEN RETURN NULL; END IF; RETURN NEW; END$$",
            "CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE ON app_user FOR EACH ROW EXECUTE FUNCTION drop_some()",
        )
    created, dropped = await runs(user(Op.CREATE, "a", person("a")), user(Op.CREATE, "b", person("b", "blocked")))
    assert created == DELIVERED
    assert str(dropped.error).startswith("the database accepted the row but did not store it")
    kept, written = await runs(user(Op.UPDATE, "x", person("x", "blocked")), user(Op.UPDATE, "y", person("y", "new")))
    assert "the database did not change it" in str(kept.error)
    assert written == DELIVERED
    kept, gone = await runs(user(Op.DELETE, "x"), user(Op.DELETE, "y"))
    assert "the database did not change it" in str(kept.error)
    assert gone == DELIVERED
    assert columns(database, "app_user", ["code", "name"], "code") == [("a", "n"), ("x", "n"), ("z", "n")]


@only("postgresql")
async def test_a_row_that_a_policy_keeps_is_refused_by_name(database: ServerDatabase, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id serial PRIMARY KEY, code TEXT UNIQUE, name TEXT, active BOOLEAN)",
        "CREATE ROLE policed LOGIN", "GRANT ALL ON app_user TO policed", "GRANT ALL ON app_user_id_seq TO policed",
        "INSERT INTO app_user (code, name, active) VALUES ('mine', 'n', true), ('theirs', 'n', true)",
        "ALTER TABLE app_user ENABLE ROW LEVEL SECURITY", "CREATE POLICY s ON app_user FOR SELECT USING (true)",
        "CREATE POLICY i ON app_user FOR INSERT WITH CHECK (code NOT LIKE 'theirs%')",
        "CREATE POLICY u ON app_user FOR UPDATE USING (code <> 'theirs')",
        "CREATE POLICY d ON app_user FOR DELETE USING (code <> 'theirs')",
    )  # fmt: skip
    runs = start(APP, tables=TABLES, url=database.server.url(database.name, "policed"))
    refused, done = await runs(*(user(Op.CREATE, key, person(key)) for key in ("theirs2", "mine2")))
    assert "row-level security" in str(refused.error)
    assert done == DELIVERED
    assert await runs(user(Op.DELETE, "mine2")) == [DELIVERED]
    for op in (Op.UPDATE, Op.DEACTIVATE, Op.DELETE):
        kept, done = await runs(*(user(op, key, person(key, "new")) for key in ("theirs", "mine")))
        assert "row-level security" in str(kept.error), op
        assert done == DELIVERED
    assert database.sql("SELECT code, name FROM app_user") == [("theirs", "n")]


@only("sqlite", "postgresql")
async def test_a_key_that_a_trigger_changes_is_refused_where_only_the_key_identifies_the_row(
    database: Database, start: Start
) -> None:
    database.sql("CREATE TABLE app_user (id {serial}, code VARCHAR(40) UNIQUE, name VARCHAR(40), active BOOLEAN)")
    if database.dialect == "sqlite":
        lower = "UPDATE app_user SET code = lower(code) WHERE id = NEW.id;"
        database.sql(f"CREATE TRIGGER low AFTER INSERT ON app_user BEGIN {lower} END")
    else:
        database.sql(
            "CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.code := lower(NEW.code); RETURN NEW; "
            "END'",
            "CREATE TRIGGER low BEFORE INSERT OR UPDATE ON app_user FOR EACH ROW EXECUTE FUNCTION low()",
        )
    outcomes = await start(APP, tables=TABLES)(user(Op.CREATE, "a", person("a")), user(Op.CREATE, "B", person("B")))
    assert outcomes[0] == DELIVERED
    assert "stores the row with another `code` than 'B'" in str(outcomes[1].error)
    assert columns(database, "app_user", ["code"], "code") == [("a",)]


LOOSE: Mapping[str, tuple[str, ...]] = {
    "sqlite": ("VARCHAR(40) COLLATE NOCASE",),
    "postgresql": ("citext", "text COLLATE ci"),
    "mariadb": ("VARCHAR(40)", "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_general_ci"),
}


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("serial", ["id {serial}, ", ""], ids=["serial", "key only"])
async def test_keys_that_the_database_treats_as_equal_stay_apart(
    database: Database, start: Start, column: int, serial: str
) -> None:
    kinds = LOOSE[database.dialect]
    if column >= len(kinds):
        pytest.skip("no second kind")
    if database.dialect == "postgresql":
        database.sql(
            "CREATE EXTENSION citext",
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
    database.sql(f"CREATE TABLE app_user ({serial}code {kinds[column]}, name VARCHAR(40), active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    made = [user(Op.CREATE, "x7a", person("x7a", "Ines")), user(Op.CREATE, "X7A", person("X7A", "Omar"))]
    assert await runs(*made) == [DELIVERED] * 2
    found = await runs.find(Kind.USER, Lookup("hr", "1", "x7a"), Lookup("hr", "2", "x7A"), Lookup("hr", "3", "other"))
    assert sorted((lookup.id, held.key) for lookup, held in found) == [
        ("1", "X7A"), ("1", "x7a"), ("2", "X7A"), ("2", "x7a"),
    ]  # fmt: skip
    assert await runs(user(Op.UPDATE, "x7a", person("x7a", "Ines H"))) == [DELIVERED]
    assert sorted(columns(database, "app_user", ["name", "code"], "name")) == [("Ines H", "x7a"), ("Omar", "X7A")]
    assert await runs(user(Op.DELETE, "x7a")) == [DELIVERED]
    assert columns(database, "app_user", ["name", "code"], "name") == [("Omar", "X7A")]


async def test_a_key_may_change_only_its_case(database: Database, start: Start) -> None:
    kind = LOOSE[database.dialect][0]
    if database.dialect == "postgresql":
        database.sql("CREATE EXTENSION citext")
    database.sql(f"CREATE TABLE app_user (id {{serial}}, code {kind} NOT NULL UNIQUE, name TEXT, active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "ada", person("ada")), user(Op.CREATE, "bob", person("bob")))
    swap = [user(Op.UPDATE, "ada", person("Bob"), **person("ada")), user(Op.UPDATE, "bob", person("ADA"))]
    assert await runs(*swap) == [DELIVERED] * 2
    assert sorted(columns(database, "app_user", ["code"], "id")) == [("ADA",), ("Bob",)]


async def test_protected_rows_are_not_changed(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, code VARCHAR(40) UNIQUE, name VARCHAR(40), active BOOLEAN, "
        "role VARCHAR(40) DEFAULT 'user')",
        "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
        "CREATE TABLE member (user_id INTEGER, group_id INTEGER, "
        "CONSTRAINT fu FOREIGN KEY (user_id) REFERENCES app_user (id), "
        "CONSTRAINT fg FOREIGN KEY (group_id) REFERENCES app_group (id))",
    )
    runs = start(APP, tables={"users": "app_user", "groups": "app_group", "memberships": "member"})
    await runs(*(user(Op.CREATE, n, person(n)) for n in ("root", "ada")), group(Op.CREATE, "g", {"name": "g"}))
    await runs(group(Op.CREATE, "wheel", {"name": "wheel"}), edges(Op.ADD, "g", "ada"))
    database.sql("UPDATE app_user SET role = 'superadmin' WHERE code = 'root'")
    runs.protection = {
        Kind.USER: Protection(condition=lambda held: held.get("role") == "superadmin"),
        Kind.GROUP: Protection(keys=frozenset({"wheel"})),
    }
    for op in (Op.UPDATE, Op.DEACTIVATE, Op.ADOPT, Op.DELETE):
        refused, done = await runs(user(op, "root", person("root", "new")), user(Op.UPDATE, "ada", person("ada", op)))
        assert refused.error == PROTECTED
        assert done == DELIVERED
    mixed, wheel = await runs(edges(Op.ADD, "g", "root", "ada"), edges(Op.ADD, "wheel", "ada"))
    assert mixed.refused == {"id of root": PROTECTED}
    assert wheel.error == PROTECTED
    database.sql("INSERT INTO member SELECT u.id, g.id FROM app_user u, app_group g WHERE u.code = 'root'")
    for key, member in (("g", "root"), ("wheel", "root")):
        target_id = runs.links[Kind.GROUP, "hr", f"id of {key}"]
        assert [one.protected_member for one in await runs.read(Kind.GROUP, target_id)] == [member]
    assert f"the group has the member code 'root': {PROTECTED}" == (await runs(group(Op.DELETE, "g")))[0].error
    ((_, held),) = await runs.find(Kind.USER, Lookup("hr", "x", "root"))
    assert held.attributes == {"code": "root", "name": "n", "active": True, "id": 1, "role": "superadmin"}
    assert columns(database, "app_user", ["code", "name"], "id") == [("root", "n"), ("ada", "delete")]
    assert database.sql("SELECT count(*) FROM member") == [(3,)]


async def test_protection_applies_to_own_tables(database: Database, start: Start) -> None:
    runs = start(APP, create_tables=True)
    await runs(*(user(Op.CREATE, n, person(n)) for n in ("root", "ada")), group(Op.CREATE, "g", {"name": "g"}))
    runs.protection = {Kind.USER: Protection(keys=frozenset({"root"}))}
    (mixed,) = await runs(edges(Op.ADD, "g", "root", "ada"))
    assert mixed.refused == {"id of root": PROTECTED}
    assert columns(database, "group_members", ["group_id", "member_id"], "group_id") == [("id of g", "id of ada")]


async def test_a_removal_finds_its_row_by_its_id(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, code VARCHAR(40) UNIQUE, name VARCHAR(40), active BOOLEAN)",
        "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
        "CREATE TABLE member (user_id INTEGER, group_id INTEGER, "
        "CONSTRAINT fu FOREIGN KEY (user_id) REFERENCES app_user (id), "
        "CONSTRAINT fg FOREIGN KEY (group_id) REFERENCES app_group (id))",
    )
    runs = start(APP, tables={"users": "app_user", "groups": "app_group", "memberships": "member"})
    await runs(*(user(Op.CREATE, n, person(n)) for n in "ab"), group(Op.CREATE, "g", {"name": "g"}))
    await runs(edges(Op.ADD, "g", "a", "b"))
    # The new key is refused, and the plan knows the member by it.
    renamed = replace(user(Op.UPDATE, "a", person("b"), **person("a")), id="id of a")
    removal = edges(Op.REMOVE, "g", "b")
    removal = replace(removal, members=(replace(removal.members[0], id="id of a"),))
    refused, removed = await runs(renamed, removal)
    assert "already belongs" in str(refused.error)
    assert removed == DELIVERED
    assert database.sql("SELECT u.code FROM member m JOIN app_user u ON u.id = m.user_id") == [("b",)]


async def test_a_condition_reads_the_columns_of_our_own_tables_by_their_names(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("u1", userName="ada"), create("u2", userName="bob"))
    runs.protection = {Kind.USER: Protection(condition=lambda row: row.get("user_name") == "ada")}
    ada, bob = (replace(create(id_, userName=name), op=Op.UPDATE) for id_, name in (("u1", "eve"), ("u2", "eve")))
    kept, changed = await runs(ada, bob)
    assert (kept.error, changed) == (PROTECTED, DELIVERED)
    assert columns(database, "users", ["id", "user_name"], "id") == [("u1", "ada"), ("u2", "eve")]


@pytest.mark.parametrize("end", ["member", "group"])
async def test_a_removal_never_hits_the_row_that_got_the_id_of_another(
    database: Database, start: Start, end: str
) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, code VARCHAR(40) UNIQUE, name VARCHAR(40), active BOOLEAN)",
        "CREATE TABLE app_group (id {serial}, name VARCHAR(40) UNIQUE)",
        "CREATE TABLE member (user_id INTEGER, group_id INTEGER, "
        "CONSTRAINT fu FOREIGN KEY (user_id) REFERENCES app_user (id), "
        "CONSTRAINT fg FOREIGN KEY (group_id) REFERENCES app_group (id))",
    )
    runs = start(APP, tables={"users": "app_user", "groups": "app_group", "memberships": "member"})
    await runs(user(Op.CREATE, "a", person("a")), group(Op.CREATE, "g", {"name": "g"}))
    await runs(edges(Op.ADD, "g", "a"))
    changed = ("app_user", "code") if end == "member" else ("app_group", "name")
    database.sql("UPDATE {} SET {} = 'stranger'".format(*changed))
    (refused,) = await runs(edges(Op.REMOVE, "g", "a"))
    why = refused.refused["id of a"] if end == "member" else str(refused.error)
    assert "is not the one that was delivered" in why
    assert database.sql("SELECT count(*) FROM member") == [(1,)]
