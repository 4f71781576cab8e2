"""The daemon on an LDAP directory of 20,000 people: changes arrive with the next run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("ldap", reason="python-ldap is not installed")

from tests.servers.slapd import Slapd, company
from tests.system.daemon import daemon
from tests.system.example import configure, query

PEOPLE = 20_000
EVERY = 4
"""Seconds. Two of them are enough for one reading, on a slow machine too."""

LATER = "9999"
"""A time later than any other."""

LDAP = """\
  corp:
    connector: ldap
    every: {every}s
    options:
      url: {server.url}
      bind_dn: {server.reader_dn}
      password: {{file: password}}
      base: {server.base}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    started = Slapd.start(tmp_path / "slapd", company(PEOPLE, 200, 40_000))
    yield started
    started.stop()


def test_a_rename_a_leaver_and_a_membership_arrive_with_the_next_run(server: Slapd, tmp_path: Path) -> None:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text(server.reader_password)
    config = configure(tmp_path, {}, more=LDAP.format(every=EVERY, server=server))
    people = f"ou=people,{server.base}"
    with daemon(config) as running:
        running.wait("nothing arrived", running.deliveries)
        assert query(tmp_path, "SELECT count(*), sum(active) FROM users") == [(PEOPLE, PEOPLE)]
        [(before,)] = query(tmp_path, "SELECT id FROM users WHERE user_name = 'u7'")

        server.rename(f"uid=u7,{people}", "uid=ada")
        server.modify(f"uid=ada,{people}", {"mail": "ada@acme.example"})
        server.delete(f"uid=u19999,{people}")
        server.modify(f"cn=g3,ou=groups,{server.base}", {"member": [f"uid=ada,{people}", f"uid=u5,{people}"]})
        done = datetime.now(UTC).isoformat()

        left = "SELECT active FROM users WHERE user_name = 'u19999'"
        renamed = "SELECT id, email FROM users WHERE user_name = 'ada'"
        members = """SELECT user_name FROM "groups" AS g JOIN group_members AS m ON m.group_id = g.id
            JOIN users AS u ON u.directory = m.directory AND u.id = m.member_id
            WHERE g.display_name = 'g3' ORDER BY 1"""
        there = [[(0,)], [(before, "ada@acme.example")], [("ada",), ("u5",)]]
        changed = (left, renamed, members)
        # A pull that began before the last change may bring the others first.
        running.wait("it did not arrive", lambda: [query(tmp_path, one) for one in changed] == there)
        with closing(sqlite3.connect(tmp_path / "state.db")) as state:
            # What the target holds stands in the journal a moment later.
            journal = "SELECT DISTINCT run FROM journal WHERE op IN ('deactivate', 'update')"
            running.wait("nothing was written down", lambda: state.execute(journal).fetchall())
            runs = state.execute("SELECT id, subject, started, finished FROM runs ORDER BY number").fetchall()
            delivered = [run for (run,) in state.execute(journal)]
        pulled = (finished for _, subject, began, finished in runs if subject == "corp" and began > done and finished)
        first = min(pulled, default=LATER)
        after = [run for run, subject, began, _ in runs if subject == "app" and began >= first]
        assert not {*after[1:]} & {*delivered}, "the first delivery after the first pull after the change missed it"
        assert query(tmp_path, "SELECT count(*) FROM users WHERE user_name = 'u7'") == [(0,)]
        assert running.end()[0] == 0
