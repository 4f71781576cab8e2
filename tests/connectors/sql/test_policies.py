"""Row-level security, exclusion constraints and triggers that refuse one row: the record fails alone and by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.connectors.sql.changes import TABLES_OF_AN_APPLICATION, edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.connectors.sql.databases import ServerDatabase, only
from usersyncd.plugin import Op, Value

Start = Callable[..., Runs]

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user", "groups": "app_group", "memberships": "app_user_group"}
SCHEMA = (
    *TABLES_OF_AN_APPLICATION,
    "GRANT SELECT, INSERT, UPDATE, DELETE ON app_user, app_group, app_user_group TO PUBLIC",
    "GRANT USAGE ON SEQUENCE app_user_id_seq, app_group_id_seq TO PUBLIC",
)
NAMES = ("ada", "bob", "eve")


def person(key: str, email: str | None = None) -> dict[str, Value]:
    return {"external_id": key, "email": email or f"{key}@acme.example", "active": True}


@pytest.fixture
def runs(database: ServerDatabase, start: Start) -> Iterator[Runs]:
    """Deliveries of a role to which the policies of the tables apply."""
    database.sql(*SCHEMA, "DROP ROLE IF EXISTS subject", "CREATE ROLE subject LOGIN")
    yield start(APP, tables=TABLES, url=database.server.url(database.name, "subject"))
    database.sql("DROP OWNED BY subject", "DROP ROLE subject")


def secure(database: ServerDatabase, table: str, **policies: str) -> None:
    """Enable row-level security. Operations without a policy here are allowed."""
    database.sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    for command in ("select", "insert", "update", "delete"):
        clause = policies.get(command, f"{'WITH CHECK' if command == 'insert' else 'USING'} (true)")
        database.sql(f"CREATE POLICY {command}s ON {table} FOR {command} {clause}")


POLICIES = {
    "an update is checked": {"update": "USING (true) WITH CHECK (external_id <> 'eve')"},
    "a row is not to be updated": {"update": "USING (external_id <> 'eve')"},
    "an insert is checked": {"insert": "WITH CHECK (external_id <> 'eve')"},
    "a row is not to be deleted": {"delete": "USING (external_id <> 'eve')"},
    "a row is hidden": {"select": "USING (external_id <> 'eve')"},
}


@only("postgresql")
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_policy_that_refuses_one_row_affects_no_other(
    database: ServerDatabase, runs: Runs, policy: str
) -> None:
    if policy != "an insert is checked":
        for name in NAMES:
            assert [one.error for one in await runs(user(Op.CREATE, name, person(name)))] == [None]
    secure(database, "app_user", **POLICIES[policy])
    if policy == "an insert is checked":
        changes = [user(Op.CREATE, name, person(name)) for name in NAMES]
    elif "deleted" in policy:
        changes = [user(Op.DELETE, name, None, **person(name)) for name in NAMES]
    else:
        changes = [user(Op.UPDATE, name, person(name, "new"), **person(name)) for name in NAMES]
    ada, bob, eve = await runs(*changes)
    assert (ada.error, bob.error) == (None, None)
    assert eve.error
    held = dict(database.sql("SELECT external_id, email FROM app_user"))
    assert ("ada" in held, "bob" in held) == ("deleted" not in policy,) * 2
    assert held.get("eve") == (None if policy == "an insert is checked" else "eve@acme.example")


@only("postgresql")
async def test_a_new_row_that_a_policy_hides_affects_no_other(database: ServerDatabase, runs: Runs) -> None:
    secure(database, "app_user", select="USING (external_id <> 'eve')")
    ada, eve, bob = await runs(*(user(Op.CREATE, name, person(name)) for name in ("ada", "eve", "bob")))
    assert (ada.error, bob.error) == (None, None)
    assert eve.error
    assert database.sql("SELECT external_id FROM app_user ORDER BY 1") == [("ada",), ("bob",)]


@only("postgresql")
async def test_a_key_of_a_hidden_row_is_refused_with_a_remedy(database: ServerDatabase, runs: Runs) -> None:
    database.sql("INSERT INTO app_user (external_id) VALUES ('eve')")
    secure(database, "app_user", select="USING (external_id <> 'eve')")
    ada, eve = await runs(*(user(Op.CREATE, name, person(name)) for name in ("ada", "eve")))
    assert ada.error is None
    assert "duplicate key value" in str(eve.error)
    assert "row-level security" in str(eve.error).partition("→")[2]


@only("postgresql")
async def test_a_policy_that_refuses_one_membership_affects_no_other(database: ServerDatabase, runs: Runs) -> None:
    await runs(*(user(Op.CREATE, name, person(name)) for name in NAMES), group(Op.CREATE, "staff", {"name": "staff"}))
    others = "user_id <> (SELECT id FROM app_user WHERE external_id = 'eve')"
    secure(database, "app_user_group", insert=f"WITH CHECK ({others})", delete=f"USING ({others})")
    [added] = await runs(edges(Op.ADD, "staff", *NAMES))
    assert list(added.refused) == ["id of eve"]
    assert "row-level security" in added.refused["id of eve"]
    members = "SELECT external_id FROM app_user_group JOIN app_user ON id = user_id ORDER BY 1"
    assert database.sql(members) == [("ada",), ("bob",)]
    database.sql("INSERT INTO app_user_group SELECT u.id, g.id FROM app_user u, app_group g WHERE external_id = 'eve'")
    [removed] = await runs(edges(Op.REMOVE, "staff", *NAMES))
    assert list(removed.refused) == ["id of eve"]
    assert database.sql(members) == [("eve",)]


@only("postgresql")
async def test_an_exclusion_constraint_refuses_one_record(database: ServerDatabase, runs: Runs) -> None:
    database.sql("ALTER TABLE app_user ADD CONSTRAINT lone EXCLUDE USING btree (email WITH =)")
    changes = [user(Op.CREATE, name, person(name, "same" if name != "ada" else None)) for name in NAMES]
    ada, bob, eve = await runs(*changes)
    assert (ada.error, bob.error) == (None, None)
    assert "lone" in str(eve.error)


@only("postgresql")
@pytest.mark.parametrize("op", [Op.DEACTIVATE, Op.DELETE, Op.UPDATE])
async def test_a_row_that_may_be_hidden_does_not_count_as_deleted(database: ServerDatabase, runs: Runs, op: Op) -> None:
    await runs(*(user(Op.CREATE, name, person(name)) for name in NAMES))
    assert "row-level security" not in "".join(await runs.check())
    secure(database, "app_user", select="USING (external_id <> 'eve')")
    assert "row-level security may hide rows" in "".join(await runs.check())
    after = None if op is Op.DELETE else {**person("eve", "new"), "active": op is Op.UPDATE}
    [hidden] = await runs(user(op, "eve", after, **person("eve")))
    assert not hidden.absent
    assert "row-level security may hide it\n  → add a policy FOR SELECT USING (true)" in str(hidden.error)


VISIBLE = {
    "a policy shows all": ("CREATE POLICY all_rows ON app_user FOR SELECT TO subject USING (true)", True),
    "a policy shows all to others": ("CREATE POLICY all_rows ON app_user TO CURRENT_USER USING (true)", False),
    "a policy for all commands shows all": ("CREATE POLICY all_rows ON app_user TO subject USING (true)", True),
    "a policy for updates does not count": ("CREATE POLICY all_rows ON app_user FOR UPDATE USING (true)", False),
    "a policy restricts": ("CREATE POLICY few ON app_user AS RESTRICTIVE USING (active)", False),
    "the user bypasses it": ("ALTER ROLE subject BYPASSRLS", True),
}


@only("postgresql")
@pytest.mark.parametrize("policy", VISIBLE)
async def test_a_missing_row_is_deleted_if_all_rows_are_visible(
    database: ServerDatabase, runs: Runs, policy: str
) -> None:
    await runs(user(Op.CREATE, "eve", person("eve")))
    statement, sees_all = VISIBLE[policy]
    shown = "true" if "restricts" in policy else "active"
    secure(database, "app_user", select=f"USING ({shown})")
    database.sql(statement, "DELETE FROM app_user")
    [gone] = await runs(user(Op.DELETE, "eve", None, **person("eve")))
    assert gone.absent is sees_all
    assert (gone.error is None) is sees_all


@only("postgresql")
async def test_a_membership_that_may_be_hidden_does_not_count_as_removed(database: ServerDatabase, runs: Runs) -> None:
    await runs(*(user(Op.CREATE, name, person(name)) for name in NAMES), group(Op.CREATE, "staff", {"name": "staff"}))
    await runs(edges(Op.ADD, "staff", *NAMES))
    eve = "(SELECT id FROM app_user WHERE external_id = 'eve')"
    secure(database, "app_user_group", select=f"USING (user_id <> {eve})")
    [removed] = await runs(edges(Op.REMOVE, "staff", *NAMES))
    assert list(removed.refused) == ["id of eve"]
    assert "shows no such membership, but row-level security may hide it" in removed.refused["id of eve"]
    assert database.sql("SELECT count(*) FROM app_user_group") == [(1,)]


@only("postgresql")
@pytest.mark.parametrize(("table", "column"), [("app_user", "external_id"), ("app_group", "name")])
async def test_a_membership_of_a_hidden_row_does_not_count_as_removed(
    database: ServerDatabase, runs: Runs, table: str, column: str
) -> None:
    await runs(user(Op.CREATE, "eve", person("eve")), group(Op.CREATE, "staff", {"name": "staff"}))
    await runs(edges(Op.ADD, "staff", "eve"))
    secure(database, table, select=f"USING ({column} NOT IN ('eve', 'staff'))")
    [removed] = await runs(edges(Op.REMOVE, "staff", "eve"))
    assert not removed.absent
    assert "row-level security may hide it" in str([removed.error, *removed.refused.values()])
