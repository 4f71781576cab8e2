"""Faults of one record, which fails alone and by name, and of the whole target, which are a TargetError."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.connectors.sql.changes import create, edges, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, ServerDatabase, SqliteDatabase, columns, only
from tests.servers.mariadb import Mariadb
from tests.servers.postgres import Postgres
from tests.servers.process import free_port
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Kind, Lookup, Op, Value
from usersyncd.testing import OWN_LAYOUTS

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user"}
TABLE = (
    "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email VARCHAR(80), active BOOLEAN, "
    "CONSTRAINT one_address UNIQUE (email), CONSTRAINT real_address CHECK (email <> 'none'))"
)


def person(key: str, email: str) -> dict[str, Value]:
    return {"external_id": key, "email": email, "active": True}


OWN_CODE = {
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE 'c%' THEN "
        "RAISE 'no contractors' USING ERRCODE = 'AB123'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    "mariadb": (
        "CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW BEGIN IF NEW.email LIKE 'c%' THEN "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no contractors', MYSQL_ERRNO = 9001; END IF; END",
    ),
}


@only("postgresql", "mariadb")
async def test_an_error_with_a_code_of_the_application_fails_only_its_record(database: Database, start: Start) -> None:
    database.sql(TABLE)
    for statement in OWN_CODE[database.dialect]:
        database.sql(statement)
    runs = start(APP, tables=TABLES)
    ada, bob, cyd, dee = (user(Op.CREATE, mail, person(mail, mail)) for mail in ("a@x", "b@x", "c@x", "c@y"))
    outcomes = await runs(ada, cyd, bob)
    assert [outcome.error for outcome in outcomes] == [None, "no contractors", None]
    assert database.sql("SELECT count(*) FROM app_user") == [(2,)]
    assert [outcome.error for outcome in await runs(cyd, dee)] == ["no contractors"] * 2
    others = [user(Op.CREATE, f"u{number}", person(f"u{number}", f"c{number}")) for number in range(200)]
    with pytest.raises(TargetError, match="no contractors"):
        await runs(*others)


ONE_RECORDS = {
    "postgresql, a trigger with the code of a missing right": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE 'c%' THEN "
        "RAISE 'no contractors' USING ERRCODE = 'insufficient_privilege'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    "postgresql, a trigger with the code of a conflict": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE 'c%' THEN "
        "RAISE 'no contractors' USING ERRCODE = 'serialization_failure'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION refuse()",
    ),
    "postgresql, a trigger that writes a table that is missing": (
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE 'c%' THEN "
        "INSERT INTO contractors VALUES (NEW.email); END IF; RETURN NEW; END $$",
        "CREATE TRIGGER note BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION note()",
    ),
    "postgresql, the form of a type": (
        "CREATE FUNCTION parse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.email LIKE 'c%' THEN "
        "PERFORM ('''' || NEW.email)::tsvector; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER parse BEFORE INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION parse()",
    ),
    "mariadb, a trigger with the code of a missing right": (
        "CREATE TRIGGER refuse BEFORE INSERT ON app_user FOR EACH ROW BEGIN IF NEW.email LIKE 'c%' THEN "
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no contractors', MYSQL_ERRNO = 1142; END IF; END",
    ),
    "mariadb, a trigger that writes a table that is missing": (
        "CREATE TRIGGER note BEFORE INSERT ON app_user FOR EACH ROW BEGIN IF NEW.email LIKE 'c%' THEN "
        "INSERT INTO contractors VALUES (NEW.email); END IF; END",
    ),
    "sqlite, a generated column": (
        "ALTER TABLE app_user ADD parsed TEXT AS (json_extract(CASE WHEN email LIKE 'c%' THEN 'x' ELSE '{}' END, '$'))",
        "CREATE INDEX parsed ON app_user (parsed)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("database", "case"), [(case.partition(",")[0], case) for case in ONE_RECORDS], indirect=["database"]
)
async def test_an_error_of_any_code_fails_only_the_record_that_causes_it(
    database: Database, start: Start, case: str
) -> None:
    database.sql(TABLE, "INSERT INTO app_user VALUES ('leaver', 'leaver', true)", *ONE_RECORDS[case])
    runs = start(APP, tables=TABLES)
    left = user(Op.DEACTIVATE, "leaver", {**person("leaver", "leaver"), "active": False}, **person("leaver", "leaver"))
    ada, bob, cyd = (user(Op.CREATE, mail, person(mail, mail)) for mail in ("a@x", "b@x", "c@x"))
    for changes in ([ada, cyd, bob, left], [cyd]):  # among others, and alone
        refused = {change.key: outcome.error for change, outcome in zip(changes, await runs(*changes), strict=True)}
        assert [key for key, error in refused.items() if error] == ["c@x"]
        assert not {"→", "grant"} & set(str(refused["c@x"]).split())
    held = columns(database, "app_user", ["external_id", "active"], "external_id")
    assert held == [("a@x", True), ("b@x", True), ("leaver", False)]


@only("postgresql")
async def test_a_trigger_that_refuses_every_record_is_not_a_missing_right(database: Database, start: Start) -> None:
    database.sql(TABLE, *ONE_RECORDS["postgresql, a trigger with the code of a missing right"])
    others = [user(Op.CREATE, f"u{number}", person(f"u{number}", f"c{number}")) for number in range(200)]
    with pytest.raises(TargetError, match="no contractors") as raised:
        await start(APP, tables=TABLES)(*others)
    assert raised.value.remedy == "find out why a trigger of the database refuses every record"


@only("postgresql")
async def test_a_sequence_without_a_grant_is_an_error_of_the_target(database: ServerDatabase, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, external_id TEXT UNIQUE, email TEXT, active BOOLEAN)",
        "DROP ROLE IF EXISTS counter", "CREATE ROLE counter LOGIN", "GRANT ALL ON app_user TO counter",
    )  # fmt: skip
    runs = start(APP, tables=TABLES, url=database.server.url(database.name, "counter"))
    with pytest.raises(TargetError, match="permission denied for sequence") as raised:
        await runs(user(Op.CREATE, "1", person("1", "a")))
    assert "USAGE on their schema and on the sequences" in str(raised.value.remedy)


@only("postgresql")
async def test_a_key_without_the_form_of_its_column_is_not_found(database: Database, start: Start) -> None:
    database.sql("CREATE TABLE app_user (external_id tsvector PRIMARY KEY, email TEXT, active BOOLEAN)")
    runs = start(APP, tables=TABLES)
    good, bad = "'ada'", "'open"
    outcomes = await runs(*(user(Op.CREATE, key, person(key, "a")) for key in (good, bad)))
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    found = await runs.find(Kind.USER, *(Lookup("hr", key, key) for key in (good, bad)))
    assert [lookup.key for lookup, _ in found] == [good]


async def test_two_records_with_one_address_are_both_named(database: Database, start: Start) -> None:
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    ada, bob = (user(Op.CREATE, key, person(key, "ada@acme.example")) for key in ("a1", "b2"))
    for changes in ([ada, bob], [bob]):  # in one batch, and against a row that is there
        *_, refused = await runs(*changes)
        assert refused.error is not None
        expected = "`email` 'ada@acme.example' already belongs to the row with `external_id` 'a1', which is active: "
        assert refused.error.startswith(expected)
        assert refused.error.endswith("→ two users have the same value: correct it in the directory, or in the rules")
        assert ("app_user.email" if database.dialect == "sqlite" else "one_address") in refused.error
    assert columns(database, "app_user", ["external_id"], "external_id") == [("a1",)]


async def test_the_error_names_a_leaver_with_the_same_address(database: Database, start: Start) -> None:
    database.sql(TABLE, "INSERT INTO app_user VALUES ('a1', 'ada@acme.example', false)")
    [refused] = await start(APP, tables=TABLES)(user(Op.CREATE, "b2", person("b2", "ada@acme.example")))
    fault, _, remedy = str(refused.error).partition("\n  → ")
    assert "already belongs to the row with `external_id` 'a1', which is inactive: " in fault
    assert remedy == "it probably belongs to a leaver: delete that row, or clear the value there"


async def test_a_check_is_named(database: Database, start: Start) -> None:
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    outcomes = await runs(
        *(user(Op.CREATE, key, person(key, mail)) for key, mail in (("1", "a"), ("2", "none"), ("3", "b")))
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "real_address" in str(outcomes[1].error)
    assert columns(database, "app_user", ["external_id"], "external_id") == [("1",), ("3",)]


async def test_a_refused_update_leaves_the_row_as_it_was(database: Database, start: Start) -> None:
    database.sql(TABLE, "INSERT INTO app_user VALUES ('1', 'a', true), ('2', 'b', true), ('3', 'c', true)")
    runs = start(APP, tables=TABLES)
    outcomes = await runs(
        *(user(Op.UPDATE, key, person(key, mail)) for key, mail in (("1", "x"), ("2", "none"), ("3", "y")))
    )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert columns(database, "app_user", ["email"], "external_id") == [("x",), ("b",), ("y",)]


async def test_an_address_passes_to_another_row_within_one_batch(database: Database, start: Start) -> None:
    """Ada gives up her address, and Bob gets it, in either order of the changes."""
    database.sql(TABLE, "INSERT INTO app_user VALUES ('1', 'a', true), ('2', 'b', true)")
    runs = start(APP, tables=TABLES)
    taken = [
        user(Op.UPDATE, "1", person("1", "b")),
        user(Op.UPDATE, "2", person("2", "c")),
        user(Op.CREATE, "3", person("3", "a")),
    ]
    assert await runs(*taken) == [DELIVERED] * 3
    assert columns(database, "app_user", ["email"], "external_id") == [("b",), ("c",), ("a",)]


async def test_one_bad_row_in_five_thousand_fails_alone(database: Database, start: Start) -> None:
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    shapes = [person(f"u{n:04}", "none" if n == 3_210 else f"u{n}@acme.example") for n in range(5_000)]
    outcomes = await runs(*(user(Op.CREATE, str(shape["external_id"]), shape) for shape in shapes))
    assert [n for n, outcome in enumerate(outcomes) if outcome != DELIVERED] == [3_210]
    assert "real_address" in str(outcomes[3_210].error)
    assert database.sql("SELECT count(*) FROM app_user") == [(4_999,)]


async def test_a_row_that_others_refer_to_is_not_deleted(database: Database, start: Start) -> None:
    database.sql(
        TABLE,
        "CREATE TABLE invoice (owner VARCHAR(40), "
        "CONSTRAINT has_owner FOREIGN KEY (owner) REFERENCES app_user (external_id))",
        "INSERT INTO app_user VALUES ('1', 'a', true), ('2', 'b', true)",
        "INSERT INTO invoice VALUES ('1')",
    )
    refused, deleted = await start(APP, tables=TABLES)(user(Op.DELETE, "1"), user(Op.DELETE, "2"))
    assert ("FOREIGN KEY" if database.dialect == "sqlite" else "has_owner") in str(refused.error)
    assert deleted == DELIVERED
    assert columns(database, "app_user", ["external_id"], "external_id") == [("1",)]


@only("postgresql")
async def test_a_deferred_constraint_names_its_culprit_too(database: Database, start: Start) -> None:
    database.sql(TABLE.replace("UNIQUE (email)", "UNIQUE (email) DEFERRABLE INITIALLY DEFERRED"))
    good, refused = await start(APP, tables=TABLES)(*(user(Op.CREATE, key, person(key, "same")) for key in ("1", "2")))
    assert good == DELIVERED
    assert "already belongs to the row with `external_id` '1'" in str(refused.error)


@only("postgresql", "mariadb")
async def test_text_that_the_database_cannot_hold_fails_that_record(database: Database, start: Start) -> None:
    database.sql(
        TABLE.replace("VARCHAR(80)", "VARCHAR(80) CHARACTER SET latin1") if database.dialect == "mariadb" else TABLE
    )
    bad = "李" if database.dialect == "mariadb" else "a\x00b"
    refused, good = await start(APP, tables=TABLES)(
        *(user(Op.CREATE, key, person(key, m)) for key, m in (("1", bad), ("2", "b")))
    )
    assert refused.error
    assert good == DELIVERED


async def test_a_database_that_may_only_be_read_is_an_error_of_the_target(database: Database, start: Start) -> None:
    database.sql(TABLE)
    options: dict[str, object] = {"tables": TABLES}
    if isinstance(database, SqliteDatabase):
        options["url"] = f"sqlite:///file:{database.file}?mode=ro&uri=true"
    elif isinstance(database, ServerDatabase) and isinstance(database.server, Postgres):
        database.sql(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    elif isinstance(database, ServerDatabase):
        database.sql(
            f"GRANT SELECT, INSERT ON {database.name}.* TO reader@'%' IDENTIFIED BY ''", "SET GLOBAL read_only = 1"
        )
        options["url"] = database.server.url(database.name, "reader")
    runs = start(APP, **options)
    try:
        # A check takes no lock, and without one SQLite does not say.
        checks = [] if database.dialect == "sqlite" else [runs.check()]
        for attempt in (*checks, runs(user(Op.CREATE, "1", person("1", "a")))):
            with pytest.raises(TargetError) as raised:
                await attempt
            assert "read" in str(raised.value), raised.value
            assert raised.value.remedy == "use the URL of the primary server, or make the database writable"
    finally:
        if database.dialect == "mariadb":
            database.sql("SET GLOBAL read_only = 0")
    assert database.sql("SELECT count(*) FROM app_user") == [(0,)]


@only("postgresql", "mariadb")
async def test_the_error_names_the_right_to_grant(database: ServerDatabase, start: Start) -> None:
    if database.dialect == "postgresql":
        database.sql("CREATE ROLE looker LOGIN", TABLE, "GRANT SELECT ON app_user TO looker")
    else:
        database.sql(TABLE, f"GRANT SELECT ON {database.name}.* TO looker@'%' IDENTIFIED BY ''")
    runs = start(APP, tables=TABLES, url=database.server.url(database.name, "looker"))
    with pytest.raises(TargetError) as raised:
        await runs(user(Op.CREATE, "1", person("1", "a")))
    assert "denied" in str(raised.value), raised.value
    assert str(raised.value.remedy).startswith("grant the user SELECT, INSERT, UPDATE and DELETE on the tables")


@pytest.mark.parametrize("scheme", ["postgresql", "mariadb", "mysql"])
async def test_a_server_that_is_down_is_an_error_of_the_target(tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}://me@127.0.0.1:{free_port()}/app"
    runs = Runs(tmp_path, {"url": url, "create_tables": True}, OWN_LAYOUTS)
    for attempt in (runs(create("u1")), runs.check()):
        with pytest.raises(TargetError) as raised:
            await attempt
        assert raised.value.message.startswith(f"target app: {url} cannot be written: ")
        assert not set("\n\t") & set(raised.value.message)
        assert (
            raised.value.remedy
            == "check the URL and the password, that the server runs, and that this machine can reach it"
        )


@only("postgresql", "mariadb")
async def test_a_missing_database_is_an_error_of_the_target(database: ServerDatabase, start: Start) -> None:
    with pytest.raises(TargetError, match="nowhere"):
        await start(create_tables=True, url=database.server.url("nowhere"))(create("u1"))


@pytest.mark.parametrize("server", [Postgres, Mariadb], ids=["postgresql", "mariadb"])
async def test_a_server_that_is_killed_between_batches_loses_nothing(
    server: type[Postgres | Mariadb], tmp_path: Path
) -> None:
    with TemporaryDirectory(prefix="killed-") as folder:
        running = server.start(Path(folder))
        try:
            url = running.database()
            runs = Runs(tmp_path, {"url": url, "create_tables": True}, OWN_LAYOUTS)
            target = runs.target()
            await target.prepare()
            assert await runs.deliver(target, create("u1")) == [DELIVERED]
            running.kill()
            with pytest.raises(TargetError):
                await runs.deliver(target, create("u2"), create("u3"))
            await target.close()
            running.run()
            # The server may have lost what it had said yes to, as these do not wait for their disks.
            await runs(create("u1"))
            assert await runs(create("u2"), create("u3")) == [DELIVERED] * 2
            assert running.sql(url, "SELECT id FROM users ORDER BY id") == [("u1",), ("u2",), ("u3",)]
        finally:
            running.stop()


async def test_a_dropped_table_is_an_error_of_the_target(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    target = runs.target()
    await target.prepare()
    assert await runs.deliver(target, create("u1")) == [DELIVERED]
    database.sql("DROP TABLE users")
    with pytest.raises(TargetError) as raised:
        await runs.deliver(target, create("u2"))
    await target.close()
    assert raised.value.remedy == "compare the tables with the configuration: `usersyncd check --online`"


async def test_a_batch_is_written_as_a_whole_or_not_at_all(database: Database, start: Start) -> None:
    runs = start(create_tables=True)
    await runs(create("g", Kind.GROUP))
    database.sql("DROP TABLE group_members")
    options = start()  # without the right to create it again
    with pytest.raises(TargetError, match="table `group_members` does not exist"):
        await options(create("u1"), create("u2"), edges(Op.ADD, "g", "u1"))
    assert database.sql("SELECT count(*) FROM users") == [(0,)]


@only("sqlite")
async def test_a_missing_sqlite_file_is_not_created_without_create_tables(
    database: SqliteDatabase, start: Start
) -> None:
    for attempt in (start()(create("u1")), start().check()):
        with pytest.raises(TargetError, match="there is no database"):
            await attempt
    assert not database.file.exists()


@only("sqlite")
async def test_an_sqlite_file_that_another_program_writes_is_waited_for(database: SqliteDatabase, start: Start) -> None:
    """Also the first time, when its journal is not ours yet: changing that fails at once instead of waiting."""
    database.sql("CREATE TABLE other (id INTEGER)")
    with closing(sqlite3.connect(database.file, isolation_level=None, check_same_thread=False)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("INSERT INTO other VALUES (1)")
        delivering = asyncio.create_task(start(create_tables=True)(create("u1")))
        await asyncio.sleep(0.3)
        assert not delivering.done()
        writing.execute("COMMIT")
        assert await asyncio.wait_for(delivering, 60) == [DELIVERED]
    await start(create_tables=True)(create("u2"))
    assert database.sql("PRAGMA journal_mode") == [("wal",)]


@only("sqlite")
async def test_an_sqlite_file_of_an_application_keeps_its_journal_mode(database: SqliteDatabase, start: Start) -> None:
    database.sql(TABLE)
    await start(APP, tables=TABLES)(user(Op.CREATE, "1", person("1", "a")))
    with closing(sqlite3.connect(database.file)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("ruled", [True, False], ids=["active is written", "active is not written"])
async def test_a_leaver_whose_row_cannot_be_deleted_loses_access(database: Database, start: Start, ruled: bool) -> None:
    database.sql(
        "CREATE TABLE app_user (id {serial}, email VARCHAR(80) UNIQUE, active BOOLEAN DEFAULT true)",
        "CREATE TABLE invoice (id {serial}, owner INTEGER, "
        "CONSTRAINT has_owner FOREIGN KEY (owner) REFERENCES app_user (id))",
    )
    names: tuple[str, ...] = ("email", "active") if ruled else ("email",)
    runs = start(layouts(names), tables={"users": "app_user"})
    shapes = [{name: value for name, value in person("", each).items() if name in names} for each in "ab"]
    await runs(*(user(Op.CREATE, str(shape["email"]), shape) for shape in shapes))
    database.sql("INSERT INTO invoice (owner) SELECT id FROM app_user WHERE email = 'a'")
    for _ in range(2):
        refused, *_ = await runs(user(Op.DELETE, "a", None, **shapes[0]), user(Op.DELETE, "b", None, **shapes[1]))
        fault, _, remedy = str(refused.error).partition("\n")
        assert fault.endswith("; the row remains, inactive" if ruled else "; the row remains, and keeps its access")
        assert "ON DELETE CASCADE" in remedy
        assert ("name `active` under `set`" in remedy) is not ruled
    assert columns(database, "app_user", ["email", "active"], "email") == [("a", not ruled)]


@only("sqlite")
@pytest.mark.parametrize("resolution", ["REPLACE", "ROLLBACK", "IGNORE", "FAIL"])
async def test_a_unique_value_of_another_row_is_refused_whatever_the_constraint_does(
    database: Database, start: Start, resolution: str
) -> None:
    columns_ = f"external_id TEXT UNIQUE, email TEXT UNIQUE ON CONFLICT {resolution}, active BOOLEAN"
    database.sql(f"CREATE TABLE app_user (id {{serial}}, {columns_})")
    runs = start(APP, tables=TABLES)
    await runs(*(user(Op.CREATE, key, person(key, key)) for key in ("ada", "bob")))
    taker = user(Op.UPDATE, "ada", person("ada", "bob"), **person("ada", "ada"))
    updated, new, other = await runs(
        taker, user(Op.CREATE, "cyd", person("cyd", "bob")), user(Op.CREATE, "dee", person("dee", "dee"))
    )
    for outcome in (updated, new):
        assert "`email` 'bob' already belongs to the row with `external_id` 'bob'" in str(outcome.error)
    assert other == DELIVERED
    rows = columns(database, "app_user", ["external_id", "email"], "external_id")
    assert rows == [(key, key) for key in ("ada", "bob", "dee")]


@only("sqlite")
async def test_triggers_keep_their_own_conflict_handling(database: Database, start: Start) -> None:
    database.sql(
        TABLE,
        "CREATE TABLE touched (what TEXT PRIMARY KEY)",
        "CREATE TRIGGER t AFTER INSERT ON app_user BEGIN INSERT OR IGNORE INTO touched VALUES ('users'); END",
    )
    outcomes = await start(APP, tables=TABLES)(*(user(Op.CREATE, mail, person(mail, mail)) for mail in "ab"))
    assert outcomes == [DELIVERED] * 2


@only("sqlite")
async def test_a_trigger_that_undoes_the_batch_is_named(database: Database, start: Start) -> None:
    database.sql(
        TABLE,
        "CREATE TRIGGER t BEFORE INSERT ON app_user WHEN NEW.email = 'c' BEGIN SELECT RAISE(ROLLBACK, 'no c'); END",
    )
    runs = start(APP, tables=TABLES)
    with pytest.raises(TargetError, match="the database undid the whole batch: no c") as raised:
        await runs(*(user(Op.CREATE, mail, person(mail, mail)) for mail in ("a", "c")))
    assert "RAISE(ABORT, …)" in str(raised.value.remedy)
    assert database.sql("SELECT * FROM app_user") == []
