"""Tables of the application: reflected, never altered. Rows are adopted, and values converted to their columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from msgspec.structs import replace

from tests.connectors.sql.changes import create, edges, group, layouts, own_edges, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, ServerDatabase, SqliteDatabase, columns, only
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Kind, Op, Value

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user"}


def ada(**values: Value) -> dict[str, Value]:
    return {"external_id": "a1", "email": "ada@acme.example", "active": True, **values}


async def test_rows_are_adopted_where_the_plan_says_so_and_foreign_columns_left_alone(
    database: Database, start: Start
) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, external_id VARCHAR(40) UNIQUE, email VARCHAR(80), active BOOLEAN, "
        "theme TEXT, score INTEGER NOT NULL)",
        "INSERT INTO app_user (external_id, email, active, theme, score) VALUES ('a1', 'old', true, 'dark', 7)",
    )
    runs = start(APP, tables=TABLES)
    (refused,) = await runs(user(Op.CREATE, "a1", ada()))
    assert refused.error == "a row with `external_id` 'a1' already exists in `app_user`"
    # `score` may not be left out of a new row; the row that is there has one.
    assert await runs(user(Op.ADOPT, "a1", ada())) == [DELIVERED]
    assert await runs(user(Op.DEACTIVATE, "a1", ada(active=False))) == [DELIVERED]
    found = columns(database, "app_user", ["external_id", "email", "active", "theme", "score"], "id")
    assert found == [("a1", "ada@acme.example", False, "dark", 7)]


async def test_a_key_without_a_constraint_is_never_inserted_twice(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40), email VARCHAR(80), active BOOLEAN, theme TEXT)",
        "INSERT INTO app_user VALUES ('a1', 'old', true, 'dark')",
    )
    runs = start(APP, tables=TABLES)
    bob: dict[str, Value] = {"external_id": "b2", "email": "bob", "active": True}
    assert await runs(user(Op.ADOPT, "a1", ada()), user(Op.CREATE, "b2", bob)) == [DELIVERED] * 2
    for outcome in await runs(user(Op.CREATE, "a1", ada()), user(Op.CREATE, "b2", bob)):
        assert "already exists" in str(outcome.error)
    found = columns(database, "app_user", ["external_id", "email", "theme"], "external_id")
    assert found == [("a1", "ada@acme.example", "dark"), ("b2", "bob", None)]


async def test_a_key_that_several_rows_have_is_refused(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40), email VARCHAR(80), active BOOLEAN)",
        "INSERT INTO app_user VALUES ('a1', 'one', true), ('a1', 'two', true)",
    )
    (outcome,) = await start(APP, tables=TABLES)(user(Op.UPDATE, "a1", ada()))
    assert outcome.error == "table `app_user` holds 2 rows with `external_id` 'a1'"
    assert columns(database, "app_user", ["email"], "email") == [("one",), ("two",)]


async def test_a_change_of_a_key_may_be_repeated(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, external_id VARCHAR(40), email VARCHAR(80), active BOOLEAN)",
        "INSERT INTO app_user (external_id, email, active) VALUES ('a1', 'old', true), ('taken', 'x', true)",
    )
    runs = start(APP, tables=TABLES)
    for _ in range(2):  # the second time as after a crash: written, and not known to be; the id is not the key
        assert await runs(user(Op.UPDATE, "a1", ada(external_id="a9"), external_id="a1")) == [DELIVERED]
        assert columns(database, "app_user", ["id", "external_id"], "id") == [(1, "a9"), (2, "taken")]
    taken = replace(user(Op.UPDATE, "a9", ada(external_id="taken"), external_id="a9"), id="id of a1")
    (outcome,) = await runs(taken)
    assert outcome.error == "`external_id` 'taken' already belongs to another row of `app_user`"


async def test_values_are_made_to_fit_their_columns(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id {uuid} PRIMARY KEY, hired DATE, seen {moment}, level INTEGER, "
        "rate NUMERIC(8, 2), flag INTEGER, extra {json}, note TEXT)"
    )
    key = "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    names = ("external_id", "hired", "seen", "level", "rate", "flag", "extra", "note")
    shape: dict[str, Value] = {
        "external_id": key.upper(), "hired": "2026-06-30", "seen": "2026-06-30T19:00:00+02:00", "level": "7",
        "rate": 12.5, "flag": True, "extra": {"ключ": [1, "二"]}, "note": ["a", 1],
    }  # fmt: skip
    runs = start(layouts(names), tables=TABLES)
    for op in (Op.CREATE, Op.UPDATE):
        assert await runs(user(op, key.upper(), shape)) == [DELIVERED]
    ((found, hired, seen, *numbers, extra, note),) = columns(database, "app_user", names, "external_id")
    assert str(found).lower() == key
    assert hired in (date(2026, 6, 30), "2026-06-30")
    assert str(seen).startswith("2026-06-30 17:00:00")
    assert [float(number) for number in numbers] == [7, 12.5, 1]
    assert extra in ({"ключ": [1, "二"]}, '{"ключ": [1, "二"]}')
    assert note == '["a", 1]'
    assert await runs(user(Op.DELETE, key.upper())) == [DELIVERED]
    assert columns(database, "app_user", ["note"], "note") == []


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("hired", "soon", "column `hired` accepts a date, such as 2026-06-30, not 'soon'"),
        ("seen", 5, "column `seen` accepts a date and time, such as 2026-06-30T17:00:00Z, not 5"),
        ("level", "high", "column `level` accepts a whole number, not 'high'"),
        ("rate", ["1"], "column `rate` accepts a number, not ['1']"),
        ("active", "perhaps", "column `active` accepts true or false, not 'perhaps'"),
    ],
)
async def test_a_value_that_does_not_fit_fails_that_record(
    database: Database, start: Start, column: str, value: Value, reason: str
) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(9) PRIMARY KEY, hired DATE, seen {moment}, level INTEGER, "
        "rate NUMERIC(8, 2), active BOOLEAN)"
    )
    runs = start(layouts(("external_id", column)), tables=TABLES)
    bad, good = (user(Op.CREATE, key, {"external_id": key, column: what}) for key, what in (("1", value), ("2", None)))
    refused, delivered = await runs(bad, good)
    if database.dialect == "mariadb" and column == "active":  # BOOLEAN is a small number there
        reason = "column `active` accepts a whole number, not 'perhaps'"
    assert refused.error == reason
    assert delivered == DELIVERED
    assert columns(database, "app_user", ["external_id"], "external_id") == [("2",)]


@only("postgresql", "mariadb")  # SQLite keeps no lengths
async def test_a_column_too_short_fails_that_record_by_name(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email VARCHAR(20), active BOOLEAN)")
    long = user(Op.CREATE, "b2", ada(external_id="b2", email="a-very-long-name@acme.example"))
    good, refused = await start(APP, tables=TABLES)(user(Op.CREATE, "a1", ada()), long)
    assert good == DELIVERED
    assert refused.error == "column `email` accepts 20 characters, but 'a-very-long-name@acme.example' has 29"


async def test_a_missing_value_fails_where_the_column_takes_no_null(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email VARCHAR(80) NOT NULL, active BOOLEAN)"
    )
    (refused,) = await start(APP, tables=TABLES)(user(Op.CREATE, "a1", ada(email=None)))
    assert refused.error == "column `email` accepts no NULL, and the rules give no value"


async def test_a_column_that_no_rule_sets_and_that_takes_no_null_is_named(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN, tenant INT NOT NULL)"
    )
    runs = start(APP, tables=TABLES)
    outcomes = await runs(*(user(Op.CREATE, f"a{n}", ada(external_id=f"a{n}")) for n in range(3)))
    reason = "table `app_user` accepts no new row without `tenant`, which no rule sets: add a default"
    assert [outcome.error for outcome in outcomes] == [reason] * 3


@only("postgresql")  # elsewhere NOT NULL is looked at before a trigger runs
async def test_a_trigger_may_fill_a_column_that_no_rule_sets(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id TEXT PRIMARY KEY, email TEXT, active BOOLEAN, tenant INT NOT NULL)",
        "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tenant := 1; RETURN NEW; END'",
        "CREATE TRIGGER fill BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION fill()",
    )
    assert await start(APP, tables=TABLES)(user(Op.CREATE, "a1", ada())) == [DELIVERED]


async def test_dates_of_writing_are_set_where_the_columns_exist(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN, "
        "updated_at {moment} NULL, deactivated_at {moment} NULL)"
    )
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "a1", ada()))
    ((updated, deactivated),) = columns(database, "app_user", ["updated_at", "deactivated_at"], "external_id")
    assert updated is not None
    assert deactivated is None
    await runs(user(Op.DEACTIVATE, "a1", ada(active=False)))
    assert columns(database, "app_user", ["deactivated_at"], "external_id") != [(None,)]


async def test_a_table_that_is_missing_is_named_with_its_nearest(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN)")
    runs = start(APP, tables={"users": "app_users"})
    for attempt in (runs(user(Op.CREATE, "a1", ada())), runs.check()):
        with pytest.raises(TargetError, match="table `app_users` does not exist; the nearest is `app_user`") as raised:
            await attempt
        assert "tables" in str(raised.value.remedy)


async def test_a_column_that_is_missing_is_named_with_its_nearest(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, e_mail TEXT, active BOOLEAN)")
    with pytest.raises(TargetError, match="table `app_user` has no column `email`; the nearest is `e_mail`"):
        await start(APP, tables=TABLES)(user(Op.CREATE, "a1", ada()))


GENERATED = [
    ("email", "VARCHAR(40) GENERATED ALWAYS AS (lower(login)) STORED"),
    ("active", "BOOLEAN AS (login <> 'x')"),
]


@pytest.mark.parametrize("generated", GENERATED, ids=[column for column, _ in GENERATED])
async def test_a_column_that_the_database_generates_is_named(
    database: Database, start: Start, generated: tuple[str, str]
) -> None:
    kinds = {"email": "VARCHAR(40)", "active": "BOOLEAN", **dict([generated])}
    if database.dialect == "postgresql":
        kinds["active"] = kinds["active"].replace("AS (login <> 'x')", "GENERATED ALWAYS AS (login <> 'x') STORED")
    defined = ", ".join(f"{column} {kind}" for column, kind in kinds.items())
    database.sql(f"CREATE TABLE app_user (id {{serial}}, login VARCHAR(40), {defined})")
    runs = start(layouts(("login", "email", "active")), tables={"users": "app_user"})
    for attempt in (runs.check(), runs.identity()):
        with pytest.raises(TargetError, match=f"column `{generated[0]}` is generated by the database") as raised:
            await attempt
        assert ("leavers: {set: …}" if generated[0] == "active" else "remove `email`") in str(raised.value.remedy)


@only("postgresql")
async def test_an_identity_that_takes_no_other_value_is_named(database: Database, start: Start) -> None:
    for kind, fits in (("ALWAYS", False), ("BY DEFAULT", True)):
        table = f"app_user{fits}".lower()
        database.sql(f"CREATE TABLE {table} (login TEXT PRIMARY KEY, number INTEGER GENERATED {kind} AS IDENTITY)")
        runs = start(layouts(("login", "number")), tables={"users": table})
        if fits:
            assert await runs.check()
        else:
            with pytest.raises(TargetError, match="column `number` is generated"):
                await runs.check()


@only("sqlite", "postgresql")
async def test_a_generated_date_of_writing_is_left_to_the_database(database: Database, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (login TEXT PRIMARY KEY, made TIMESTAMP, "
        "updated_at TIMESTAMP GENERATED ALWAYS AS (made) STORED)"
    )
    runs = start(layouts(("login",)), tables={"users": "app_user"})
    assert await runs(user(Op.CREATE, "ada", {"login": "ada"})) == [DELIVERED]


async def test_a_table_without_a_column_active_is_refused(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT)")
    with pytest.raises(TargetError, match="has no column `active`, so leavers could not be deactivated") as raised:
        await start(APP, tables=TABLES)(user(Op.CREATE, "a1", ada()))
    assert raised.value.remedy == "add the column, or set leavers: {delete_after: now}"


async def test_a_target_may_have_users_only(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    assert await runs(user(Op.CREATE, "a1", ada()), user(Op.DELETE, "a1")) == [DELIVERED] * 2
    assert any(line.startswith("groups: no table named") for line in await runs.check())


async def test_own_tables_and_tables_of_the_application_can_be_combined(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN)")
    runs = start(APP, tables=TABLES, create_tables=True)
    made = group(Op.CREATE, "staff", {"name": "staff"})
    assert await runs(user(Op.CREATE, "a1", ada()), made, edges(Op.ADD, "staff", "a1")) == [DELIVERED] * 3
    assert columns(database, "group_members", ["directory", "group_id", "member_id"], "group_id") == [
        ("hr", "id of staff", "a1")
    ]


async def test_a_key_is_compared_exactly_whatever_the_collation(database: Database, start: Start) -> None:
    """MariaDB's usual collation takes ``A1`` for ``a1``; without a constraint nothing else would notice."""
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40), email TEXT, active BOOLEAN)",
        "INSERT INTO app_user VALUES ('A1', 'other', true)",
    )
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "a1", ada()))
    await runs(user(Op.UPDATE, "a1", ada(email="new")))
    assert sorted(columns(database, "app_user", ["email", "external_id"], "email")) == [("new", "a1"), ("other", "A1")]
    await runs(user(Op.DELETE, "a1"))
    assert columns(database, "app_user", ["external_id"], "email") == [("A1",)]


async def test_own_tables_can_be_used_without_the_right_to_create_tables(database: Database, start: Start) -> None:
    await start(create_tables=True)(create("u1"))
    runs = start()
    assert await runs(create("u2"), create("g", Kind.GROUP), own_edges(Op.ADD, "g", "u1")) == [DELIVERED] * 3
    assert columns(database, "users", ["id"], "id") == [("u1",), ("u2",)]


@only("postgresql")
async def test_the_tables_stand_in_the_configured_schema(database: Database, start: Start) -> None:
    database.sql("CREATE SCHEMA app")
    runs = start(schema="app", create_tables=True)
    assert await runs(create("u1"), create("g", Kind.GROUP), own_edges(Op.ADD, "g", "u1")) == [DELIVERED] * 3
    assert database.sql("SELECT id FROM app.users") == [("u1",)]
    with pytest.raises(TargetError) as raised:
        await start(schema="nowhere", create_tables=True)(create("u1"))
    assert raised.value.remedy == "create the schema, or correct its name"


@only("postgresql")
@pytest.mark.parametrize(("how", "role"), [("view", "viewer"), ("row-level security", "tenant")])
async def test_rows_are_inserted_where_copy_does_not_work(
    database: ServerDatabase, start: Start, how: str, role: str
) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id TEXT PRIMARY KEY, email TEXT, active BOOLEAN, tenant INT DEFAULT 1)",
        f"CREATE ROLE {role} LOGIN",
        f"GRANT ALL ON app_user TO {role}",
    )
    if how == "view":
        database.sql("CREATE VIEW people AS SELECT * FROM app_user", f"GRANT ALL ON people TO {role}")
    else:
        policy = "CREATE POLICY own ON app_user USING (tenant = 1)"
        database.sql("ALTER TABLE app_user ENABLE ROW LEVEL SECURITY", policy)
    tables = {"users": "people" if how == "view" else "app_user"}
    runs = start(APP, tables=tables, url=database.server.url(database.name, role))
    for op in (Op.CREATE, Op.UPDATE):
        assert await runs(user(op, "a1", ada())) == [DELIVERED]
    assert columns(database, "app_user", ["email"], "email") == [("ada@acme.example",)]


async def test_a_leaver_of_earlier_rules_is_deactivated_and_nothing_else_changes(
    database: Database, start: Start
) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, login VARCHAR(80) UNIQUE, name VARCHAR(80), "
        "active BOOLEAN)",
        "INSERT INTO app_user (email, name, active) VALUES ('b@x', 'B', true)",
    )
    runs = start(layouts(("login", "email", "name", "active")), tables={"users": "app_user"})
    before: dict[str, Value] = {"email": "b@x", "name": "B", "active": True}
    leaver = user(Op.DEACTIVATE, "b@x", before | {"active": False}, **before)
    assert await runs(replace(leaver, target_id='{"id":1}')) == [DELIVERED]
    assert columns(database, "app_user", ["email", "login", "name", "active"], "id") == [("b@x", None, "B", False)]


@only("sqlite")
@pytest.mark.parametrize("kind", ["STRING", "ACCOUNT", "NUMBER", ""])
async def test_a_key_that_is_a_number_stays_its_own_whatever_type_is_declared(
    database: Database, start: Start, kind: str
) -> None:
    database.sql(f"CREATE TABLE app_user (code {kind} PRIMARY KEY, email TEXT, active FLAG)")
    runs = start(layouts(("code", "email", "active")), tables={"users": "app_user"})
    old: dict[str, Value] = {"code": "1234", "email": "a", "active": True}
    new = old | {"email": "b", "active": False}
    assert await runs(user(Op.CREATE, "1234", old)) == [DELIVERED]
    assert await runs(user(Op.DEACTIVATE, "1234", new, **old)) == [DELIVERED]
    assert database.sql("SELECT code + 0, email, active FROM app_user") == [(1234, "b", 0)]


@only("sqlite")
async def test_a_strict_table_keeps_any_value_as_it_is(database: SqliteDatabase, start: Start) -> None:
    database.sql("CREATE TABLE app_user (code ANY PRIMARY KEY, email ANY) STRICT")
    runs = start(layouts(("code", "email")), tables={"users": "app_user"})
    old: dict[str, Value] = {"code": "0123", "email": "12"}
    new = old | {"email": "13"}
    assert await runs(user(Op.CREATE, "0123", old)) == [DELIVERED]
    assert await runs(user(Op.UPDATE, "0123", new, **old)) == [DELIVERED]
    assert database.sql("SELECT code, email FROM app_user") == [("0123", "13")]
