"""A restored target may give the ids of its rows to other people: a verification reports these records as failed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.running import Usersyncd

CONFIG = """\
state: sqlite:///state.db
directories: {hr: {connector: csv, options: {users: hr.csv}}}
targets:
  app:
    connector: sql
    options: {url: "sqlite:///app.db", tables: {users: account}}
    users: {key: email, set: {email: user.email, dept: user.department}}
"""
ROWS = "SELECT id, email, pw FROM account ORDER BY id"


def sql(statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect("app.db")) as application, application:
        return application.execute(statement).fetchall()


def test_a_shared_department_does_not_make_two_accounts_the_same(usersyncd: Usersyncd) -> None:
    Path("usersyncd.yaml").write_text(CONFIG)
    Path("hr.csv").write_text("id,email,department\n1,a@x,it\n")
    sql("CREATE TABLE account (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, dept TEXT, active BOOLEAN, pw TEXT)")
    assert usersyncd("sync").code == 0
    shutil.copy("app.db", "backup.db")
    Path("hr.csv").write_text("id,email,department\n1,a@x,it\n2,dan@x,sales\n3,eve@x,sales\n")
    assert usersyncd("sync").code == 0
    shutil.copy("backup.db", "app.db")
    for mail in ("eve", "dan"):
        sql(f"INSERT INTO account (email, dept, active, pw) VALUES ('{mail}@x', 'sales', 1, 'of {mail}')")
    before = sql(ROWS)
    plan = usersyncd("plan", "--verify")
    assert "email eve@x → dan@x" in plan.out, "what the row holds is shown"
    ran = usersyncd("sync", "--verify")
    assert "2 records failed" in ran.out
    assert "is not the one that was delivered: it has email 'eve@x'" in ran.out
    assert sql(ROWS) == before


RENAMED = """\
state: sqlite:///state.db
directories: {{{0}: {{connector: csv, options: {{users: hr.csv}}{1}}}}}
targets:
  app:
    connector: sql
    options: {{url: "sqlite:///app.db", create_tables: true}}
    leavers: {{delete_after: now}}
"""


def test_a_target_from_before_a_rename_is_verified_under_the_old_name(usersyncd: Usersyncd) -> None:
    def sync(name: str, was: str = "", *options: str) -> None:
        Path("usersyncd.yaml").write_text(RENAMED.format(name, was and f", was: {was}"))
        assert usersyncd("sync", *options).code == 0

    people = "SELECT directory, email FROM users ORDER BY id"
    Path("hr.csv").write_text("id,email\n1,bob@x\n2,eve@x\n")
    sync("lab")
    shutil.copy("app.db", "backup.db")
    sync("research", "lab")
    Path("hr.csv").write_text("id,email\n1,bob@x\n3,joe@x\n")
    sync("research", "lab")
    shutil.copy("backup.db", "app.db")
    sync("lab", "research")
    sync("lab", "research", "--verify")
    assert sql(people) == [("lab", "bob@x"), ("lab", "joe@x")]
    sync("research", "lab")
    assert sql(people) == [("research", "bob@x"), ("research", "joe@x")]
