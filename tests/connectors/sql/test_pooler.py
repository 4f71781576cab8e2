"""PostgreSQL behind a pooler that gives each transaction another session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.connectors.sql.changes import edges, group, layouts, user
from tests.connectors.sql.conftest import Runs
from tests.servers.pgbouncer import pgbouncer
from tests.servers.postgres import Postgres
from usersyncd.plugin import DELIVERED, Kind, Op, Value

APP = layouts(("external_id", "email", "active"))
TABLES = {"users": "app_user", "groups": "app_group", "memberships": "app_user_group"}
SCHEMA = (
    "CREATE TABLE app_user (id SERIAL PRIMARY KEY, external_id TEXT UNIQUE, email TEXT UNIQUE, active BOOLEAN)",
    "CREATE TABLE app_group (id SERIAL PRIMARY KEY, name TEXT UNIQUE)",
    "CREATE TABLE app_user_group (user_id INTEGER REFERENCES app_user, group_id INTEGER REFERENCES app_group)",
)


def person(number: int, email: str) -> dict[str, Value]:
    return {"external_id": f"u{number}", "email": email, "active": True}


@pytest.mark.parametrize("options", [{"tables": TABLES}, {"create_tables": True}], ids=["their tables", "own tables"])
async def test_a_target_behind_a_pooler(postgres: Postgres, tmp_path: Path, options: dict[str, object]) -> None:
    url = postgres.database()
    postgres.sql(url, *SCHEMA)
    with pgbouncer(postgres, tmp_path, mode="transaction") as pooler:
        runs = Runs(tmp_path, {"url": pooler.url(url), **options}, APP)
        people = [person(number, f"a{number}") for number in range(20)]
        staff = group(Op.CREATE, "staff", {"name": "staff"})
        members = edges(Op.ADD, "staff", *(str(one["external_id"]) for one in people))
        created = [user(Op.CREATE, str(one["external_id"]), one) for one in people]
        assert await runs(*created, staff, members) == [DELIVERED] * 22
        target = runs.target()
        try:
            for step in range(1, 8):  # By default psycopg prepares a statement that is repeated.
                old, people = people, [person(n, f"a{(n + step) % 20}") for n in range(20)]  # addresses are exchanged
                changed = [user(Op.UPDATE, f"u{n}", people[n], **old[n]) for n in range(20)]
                assert await runs.deliver(target, *changed) == [DELIVERED] * 20
            held = [held async for held in target.list(Kind.USER)]
            assert {one.key: one.attributes["email"] for one in held} == {
                one["external_id"]: one["email"] for one in people
            }
            assert await runs.check()
        finally:
            await target.close()


async def test_two_programs_share_the_sessions_of_a_pooler(postgres: Postgres, tmp_path: Path) -> None:
    """With one session for both, the settings of one program would reach the other."""
    url = postgres.database()
    postgres.sql(url, *SCHEMA)
    with pgbouncer(postgres, tmp_path, mode="transaction", pool=1) as pooler:
        pooled = pooler.url(url)
        runs = Runs(tmp_path, {"url": pooled, "tables": TABLES}, APP)
        one, other = runs.target(), runs.target()
        try:
            for number in range(10):
                await one.identity()
                await other.identity()
                for offset, target in enumerate((one, other)):
                    key = 2 * number + offset
                    assert await runs.deliver(target, user(Op.CREATE, f"u{key}", person(key, f"{key}"))) == [DELIVERED]
        finally:
            await one.close()
            await other.close()
        assert postgres.sql(pooled, "SHOW lock_timeout") == [("0",)]
