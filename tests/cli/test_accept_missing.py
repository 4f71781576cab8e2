"""``--accept-missing``: a person's word that an attribute is really gone from a directory."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.cli.running import Usersyncd

CONFIG = """\
state: sqlite:///state.db
directories: {hr: {connector: csv, options: {users: hr.csv}}}
targets: {app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}}
"""


def test_a_renamed_column_discards_the_pull_until_a_person_consents(usersyncd: Usersyncd, tmp_path: Path) -> None:
    rows = [f"{number},u{number}@acme.example" for number in range(12)]
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "hr.csv").write_text("\n".join(["id,email", *rows, ""]), "utf-8")
    assert usersyncd("sync").code == 0
    (tmp_path / "hr.csv").write_text("\n".join(["id,e-mail", *rows, ""]), "utf-8")
    for command in ("plan", "sync"):
        ran = usersyncd(command)
        assert ran.code == 1
        assert "email: 12 users had it, and no user has it now" in ran.out
        assert "`usersyncd sync hr --accept-missing email`" in ran.out
    assert addresses(tmp_path) == 12
    ran = usersyncd("sync", "hr", "--accept-missing", "email")
    assert (ran.code, addresses(tmp_path)) == (3, 12), "the guard still limits what is emptied in the target"
    assert "blanked" in ran.out
    assert usersyncd(*ran.out.partition("deliver exactly these changes:\n")[2].split()[1:5]).code == 0
    assert addresses(tmp_path) == 0


def test_a_consent_that_is_not_needed_is_an_error_after_everything_is_done(
    usersyncd: Usersyncd, tmp_path: Path
) -> None:
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "hr.csv").write_text("id,email\n1,ada@acme.example\n", "utf-8")
    ran = usersyncd("sync", "--accept-missing", "emial", "--accept-missing", "email")
    assert ran.code == 2
    assert addresses(tmp_path) == 1
    assert "--accept-missing email: hr did not lose this attribute, or no rule reads it\n  → " in ran.err
    assert "--accept-missing emial: hr did not lose" in ran.err


def test_a_consent_is_met_when_few_lost_the_attribute(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "hr.csv").write_text("id,email\n1,ada@acme.example\n", "utf-8")
    assert usersyncd("sync").code == 0
    (tmp_path / "hr.csv").write_text("id,email\n1,\n", "utf-8")
    ran = usersyncd("sync", "--accept-missing", "email", "--json")
    assert (ran.code, ran.err.count("→")) == (0, 0)
    assert json.loads(ran.out)["directories"][0]["pull"]["accepted"] == ["email"]
    assert usersyncd("sync", "--accept-missing", "email").code == 2, "it was accepted before"


def test_a_pull_that_fails_says_nothing_of_the_consent(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    ran = usersyncd("sync", "--accept-missing", "email")
    assert ran.code == 1
    assert "--accept-missing" not in ran.err


def addresses(folder: Path) -> int:
    with sqlite3.connect(folder / "app.db") as application:
        [(count,)] = application.execute("SELECT count(email) FROM users")
    return int(count)
