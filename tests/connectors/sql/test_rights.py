"""The rights that a database user needs: those that docs/sql.md lists suffice."""

from __future__ import annotations

from collections.abc import Callable

from tests.connectors.sql.changes import edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import ServerDatabase, only
from usersyncd.plugin import DELIVERED, Op

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user", "groups": "app_group", "memberships": "app_user_group"}
SCHEMA = (
    "CREATE TABLE app_user (id SERIAL PRIMARY KEY, external_id TEXT UNIQUE, email TEXT, active BOOLEAN)",
    "CREATE TABLE app_group (id SERIAL PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE app_user_group (user_id INTEGER REFERENCES app_user, group_id INTEGER REFERENCES app_group)",
)
PEOPLE = [{"external_id": key, "email": f"{key}@acme.example", "active": True} for key in ("a1", "b2")]


def least(database: ServerDatabase, start: Start) -> Runs:
    """Runs of a role that may do what docs/sql.md says, and nothing else."""
    database.sql(
        *SCHEMA,
        "DROP ROLE IF EXISTS least",
        "CREATE ROLE least LOGIN",
        f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON app_user, app_group, app_user_group TO least",
        "GRANT USAGE ON SEQUENCE app_user_id_seq, app_group_id_seq TO least",
    )
    return start(APP, tables=TABLES, url=database.server.url(database.name, "least"))


@only("postgresql")
async def test_a_role_that_may_make_no_temporary_table_delivers_everything(
    database: ServerDatabase, start: Start
) -> None:
    runs = least(database, start)
    try:
        created = [user(Op.CREATE, person["external_id"], person) for person in PEOPLE]
        assert await runs(*created, group(Op.CREATE, "staff", {"name": "staff"})) == [DELIVERED] * 3
        left = user(Op.DEACTIVATE, "a1", {**PEOPLE[0], "active": False}, **PEOPLE[0])
        assert await runs(left, edges(Op.ADD, "staff", "b2")) == [DELIVERED] * 2
        assert await runs(edges(Op.REMOVE, "staff", "b2"), user(Op.DELETE, "b2", None, **PEOPLE[1])) == [DELIVERED] * 2
        assert database.sql("SELECT external_id, active FROM app_user") == [("a1", False)]
    finally:
        database.sql("DROP OWNED BY least", "DROP ROLE least")
