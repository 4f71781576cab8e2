"""An application writes the same rows at the same time as a delivery."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pymysql
import pytest

from tests.connectors.sql.changes import layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import Database, ServerDatabase, SqliteDatabase, columns, only
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Kind, Lookup, Op, Value
from usersyncd_sql import engine, repeat

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user"}
TABLE = "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email VARCHAR(80), active BOOLEAN)"
ADA: dict[str, Value] = {"external_id": "ada", "email": "a", "active": True}
BOB: dict[str, Value] = {"external_id": "bob", "email": "b", "active": True}
CHANGED = user(Op.UPDATE, "ada", {**ADA, "email": "new"}, **ADA)
WAITING = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"


@contextmanager
def application(database: Database) -> Iterator[Any]:
    """A connection in a transaction that has written the row of Ada."""
    made: Any
    if isinstance(database, SqliteDatabase):
        made = sqlite3.connect(database.file, isolation_level=None, check_same_thread=False)
        made.execute("BEGIN IMMEDIATE")
    elif isinstance(database, ServerDatabase) and database.dialect == "postgresql":
        made = psycopg.connect(database.url)
    elif isinstance(database, ServerDatabase):
        made = pymysql.connect(host="127.0.0.1", port=database.server.port, user="usersyncd", database=database.name)
    with closing(made):
        made.cursor().execute("UPDATE app_user SET email = 'theirs' WHERE external_id = 'ada'")
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time for which a delivery waits for a lock."""
    monkeypatch.setattr(engine, "LOCK_SECONDS", 1)
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_a_row_that_is_locked_for_long_fails_its_batch_but_not_the_run(
    database: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeat, "PATIENCE", 0)
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "ada", ADA))
    target = runs.target()
    try:
        with application(database) as theirs:
            [refused] = await runs.deliver(target, CHANGED)
            assert "another program holds rows or tables" in str(refused.error)
            assert "lock" in str(refused.error).lower()
            assert "\n  → end the other program's transaction" in str(refused.error)
            theirs.rollback()
        assert await runs.deliver(target, user(Op.CREATE, "bob", BOB), CHANGED) == [DELIVERED] * 2
    finally:
        await target.close()
    assert columns(database, "app_user", ["email"], "email") == [("b",), ("new",)]


@pytest.mark.usefixtures("impatient")
async def test_a_batch_is_repeated_once_the_other_transaction_has_ended(
    database: Database, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "ada", ADA))
    target = runs.target()
    try:
        with application(database) as theirs:

            def pause(_state: object) -> float:
                theirs.commit()
                return 0

            monkeypatch.setattr(repeat, "PAUSE", pause)
            assert await runs.deliver(target, CHANGED) == [DELIVERED]
    finally:
        await target.close()
    assert columns(database, "app_user", ["email"], "email") == [("new",)]


LEVELS = {
    "postgresql": [
        "ALTER TABLE app_user ADD level TEXT DEFAULT current_setting('transaction_isolation') "
        "|| ', lock_timeout ' || current_setting('lock_timeout')",
    ],
    "mariadb": [
        "ALTER TABLE app_user ADD level VARCHAR(80)",
        "CREATE TRIGGER level BEFORE INSERT ON app_user FOR EACH ROW SET new.level = "
        "lower(concat(replace(@@tx_isolation, '-', ' '), ', lock_timeout ', @@innodb_lock_wait_timeout, 's'))",
    ],
}


@only("postgresql", "mariadb")
async def test_batches_run_at_read_committed_whatever_the_default(database: ServerDatabase, start: Start) -> None:
    database.sql(TABLE, *LEVELS[database.dialect])
    if database.dialect == "postgresql":
        database.sql(f"ALTER DATABASE {database.name} SET default_transaction_isolation = 'serializable'")
    await start(APP, tables=TABLES)(user(Op.CREATE, "ada", ADA))
    assert columns(database, "app_user", ["level"], "level") == [("read committed, lock_timeout 10s",)]


@only("postgresql", "mariadb")
@pytest.mark.usefixtures("impatient")
async def test_a_lookup_on_a_locked_table_times_out(database: Database, start: Start) -> None:
    database.sql(TABLE)
    runs = start(APP, tables=TABLES)
    with application(database) as theirs:
        lock = "LOCK TABLE app_user" if database.dialect == "postgresql" else "LOCK TABLES app_user WRITE"
        theirs.cursor().execute(lock)
        with pytest.raises(TargetError, match=r"[Ll]ock") as raised:
            await runs.find(Kind.USER, Lookup("hr", "1", "ada"))
        assert "end the other program's transaction" in str(raised.value.remedy)


@only("mariadb")
async def test_a_deadlock_among_new_rows_repeats_the_whole_batch(database: ServerDatabase, start: Start) -> None:
    """MariaDB rolls back the whole transaction after a deadlock, with its savepoints."""
    database.sql(TABLE, "CREATE TABLE heavy (number INTEGER)")
    runs = start(APP, tables=TABLES)
    await runs(user(Op.CREATE, "ada", ADA))
    target = runs.target()
    many = [f"('m{number}', 'm', true)" for number in range(100)]
    # Among many rows, those of the batch are found by the index, which locks no other.
    database.sql(f"INSERT INTO app_user VALUES {', '.join(many)}")
    new = [f"n{number}" for number in range(9)]
    try:
        with application(database) as theirs:
            theirs.rollback()
            # The server ends the transaction that has written less.
            theirs.cursor().execute(f"INSERT INTO heavy VALUES {', '.join(['(1)'] * 1000)}")
            theirs.cursor().execute("INSERT INTO app_user VALUES ('n5', 'theirs', true)")
            creates = [user(Op.CREATE, key, {**BOB, "external_id": key}) for key in new]
            delivery = asyncio.create_task(runs.deliver(target, CHANGED, *creates))
            async with asyncio.timeout(60):
                while not database.sql(WAITING)[0][0]:  # noqa: ASYNC110 - the server gives no event
                    await asyncio.sleep(0.2)  # InnoDB caches this for 0.1 s
            theirs.cursor().execute("INSERT INTO app_user VALUES ('n1', 'theirs', true)")
            theirs.rollback()
            assert await delivery == [DELIVERED] * 10
    finally:
        await target.close()
    written = database.sql("SELECT external_id, email FROM app_user WHERE email <> 'm' ORDER BY external_id")
    assert written == [("ada", "new"), *((key, "b") for key in new)]
