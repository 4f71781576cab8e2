"""A password may contain any printable character. A byte order mark is not part of it."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.servers.postgres import Postgres
from tests.servers.text import PRINTABLE
from usersyncd.testing import target_context
from usersyncd_sql import SqlTarget
from usersyncd_sql.options import SqlOptions

ASKED = "host all guarded 127.0.0.1/32 scram-sha-256\n"


@pytest.fixture
def guarded(postgres: Postgres) -> str:
    """An empty database that asks for a password."""
    rules = postgres.data / "pg_hba.conf"
    if ASKED not in rules.read_text():
        rules.write_text(ASKED + rules.read_text())
    url = postgres.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("DROP ROLE IF EXISTS guarded")
        connection.execute(sql.SQL("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD {}").format(PRINTABLE))
    url = postgres.url(url.rpartition("/")[2], "guarded")
    deadline = time.monotonic() + 10
    while _lets_in(url):
        assert time.monotonic() < deadline, "the server does not ask for the password"
    return url


def _lets_in(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
async def test_a_password_may_have_any_printable_character(guarded: str, tmp_path: Path, mark: str) -> None:
    (tmp_path / "password").write_text(f"{mark}{PRINTABLE}\n")
    options = {"url": guarded, "password": {"file": "password"}, "create_tables": True}
    target = SqlTarget(SqlOptions.model_validate(options), target_context(tmp_path, name="app"))
    try:
        lines = await target.check()
    finally:
        await target.close()
    assert any("guarded" in line for line in lines), lines
