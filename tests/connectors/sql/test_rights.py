"""The rights in docs/sql.md are enough for a database user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.connectors.sql.changes import TABLES_OF_AN_APPLICATION, edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import ServerDatabase, only
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Op

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user", "groups": "app_group", "memberships": "app_user_group"}
PEOPLE = [{"external_id": key, "email": f"{key}@acme.example", "active": True} for key in ("a1", "b2")]


def least(database: ServerDatabase, start: Start) -> Runs:
    """Deliveries of a role with the rights in docs/sql.md, and no others."""
    database.sql(
        *TABLES_OF_AN_APPLICATION,
        "DROP ROLE IF EXISTS modest",
        "CREATE ROLE modest LOGIN",
        f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON app_user, app_group, app_user_group TO modest",
        "GRANT USAGE ON SEQUENCE app_user_id_seq, app_group_id_seq TO modest",
    )
    return start(APP, tables=TABLES, url=database.server.url(database.name, "modest"))


@only("postgresql")
async def test_a_role_without_the_right_to_temporary_tables_delivers_everything(
    database: ServerDatabase, start: Start
) -> None:
    runs = least(database, start)
    try:
        assert await runs.check()
        created = [user(Op.CREATE, person["external_id"], person) for person in PEOPLE]
        assert await runs(*created, group(Op.CREATE, "staff", {"name": "staff"})) == [DELIVERED] * 3
        left = user(Op.DEACTIVATE, "a1", {**PEOPLE[0], "active": False}, **PEOPLE[0])
        assert await runs(left, edges(Op.ADD, "staff", "b2")) == [DELIVERED] * 2
        assert await runs(edges(Op.REMOVE, "staff", "b2"), user(Op.DELETE, "b2", None, **PEOPLE[1])) == [DELIVERED] * 2
        assert database.sql("SELECT external_id, active FROM app_user") == [("a1", False)]
    finally:
        database.sql("DROP OWNED BY modest", "DROP ROLE modest")


@only("postgresql")
@pytest.mark.parametrize(
    ("revoked", "grant"),
    [
        ("DELETE ON app_user", "DELETE ON app_user"),
        ("USAGE ON SEQUENCE app_user_id_seq", "USAGE ON SEQUENCE app_user_id_seq"),
        ("USAGE ON SCHEMA public", "USAGE ON SCHEMA public"),
    ],
)
async def test_check_names_the_right_that_is_missing(
    database: ServerDatabase, start: Start, revoked: str, grant: str
) -> None:
    runs = least(database, start)
    try:
        database.sql(f"REVOKE {revoked} FROM modest", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
        if "SCHEMA" not in revoked:
            database.sql("GRANT USAGE ON SCHEMA public TO modest")
        with pytest.raises(TargetError) as raised:
            await runs.check()
        assert raised.value.remedy == f"GRANT {grant} TO modest"
        database.sql(raised.value.remedy)
        assert await runs.check()
    finally:
        database.sql("DROP OWNED BY modest", "DROP ROLE modest")


@only("postgresql")
async def test_check_names_the_right_to_create_tables(database: ServerDatabase, start: Start) -> None:
    least(database, start)
    try:
        runs = start(APP, create_tables=True, url=database.server.url(database.name, "modest"))
        with pytest.raises(TargetError) as raised:
            await runs.check()
        assert raised.value.remedy == "GRANT CREATE ON SCHEMA public TO modest"
    finally:
        database.sql("DROP OWNED BY modest", "DROP ROLE modest")


@only("mariadb")
async def test_check_tries_the_rights_of_a_mariadb_user(database: ServerDatabase, start: Start) -> None:
    database.sql(
        "CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email VARCHAR(80), active BOOLEAN)",
        "INSERT INTO app_user VALUES ('a1', 'a', true)",
        f"GRANT SELECT, INSERT, UPDATE ON {database.name}.* TO keeper@'%' IDENTIFIED BY ''",
    )
    runs = start(APP, tables={"users": "app_user"}, url=database.server.url(database.name, "keeper"))
    with pytest.raises(TargetError, match="DELETE command denied"):
        await runs.check()
    database.sql(f"GRANT DELETE ON {database.name}.* TO keeper@'%'")
    assert await runs.check()
    assert database.sql("SELECT * FROM app_user") == [("a1", "a", 1)]


@only("mariadb")
@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "InnoDB"])
async def test_check_names_an_engine_without_savepoints(database: ServerDatabase, start: Start, engine: str) -> None:
    database.sql(
        f"CREATE TABLE app_user (external_id VARCHAR(40) PRIMARY KEY, email TEXT, active BOOLEAN) ENGINE={engine}"
    )
    _, line, *_ = await start(APP, tables={"users": "app_user"}).check()
    said = "its engine cannot undo a refused row, which then affects others: ALTER TABLE app_user ENGINE = InnoDB"
    assert (said in line) is (engine != "InnoDB")
