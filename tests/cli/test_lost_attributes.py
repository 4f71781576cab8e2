"""Attributes that a directory lost: the pull is discarded until a person approves the loss."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Usersyncd

CONFIG = """\
state: sqlite:///state.db
directories: {hr: {connector: csv, options: {users: hr.csv}}}
targets: {app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}}
"""


@pytest.fixture(autouse=True)
def renamed(usersyncd: Usersyncd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column is renamed after the first sync."""
    monkeypatch.setattr("usersyncd.cli.real_user.person_of", lambda *_: "ann")
    rows = [f"{number},u{number}@acme.example" for number in range(12)]
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "hr.csv").write_text("\n".join(["id,email", *rows, ""]), "utf-8")
    assert usersyncd("sync").code == 0
    (tmp_path / "hr.csv").write_text("\n".join(["id,e-mail", *rows, ""]), "utf-8")


def held(usersyncd: Usersyncd) -> list[Any]:
    return json.loads(usersyncd("approve", "--json").out)["held"]  # type: ignore[no-any-return]


def test_a_renamed_column_discards_the_pull_until_a_person_approves(usersyncd: Usersyncd, tmp_path: Path) -> None:
    for command in ("plan", "sync"):
        ran = usersyncd(command)
        assert ran.code == 1
        assert "email: 12 users had it, and no user has it now" in ran.out
        assert "if it is really empty everywhere, `usersyncd approve hr`" in ran.out
    assert "the loss of email in hr, held since 20" in usersyncd("approve").out
    ran = usersyncd("approve", "hr", "--yes", "--reason", "GDPR")
    assert ran.code == 0
    assert "  email: 12 users had it, and no user has it now\n" in ran.out
    assert "the loss of email in hr: approved by ann on 20" in ran.out
    assert "(GDPR). The next run accepts it, if it begins before 20" in ran.out
    assert ": already approved by " in usersyncd("approve", "hr", "--yes").out
    assert addresses(tmp_path) == 12
    ran = usersyncd("sync", "hr", "--json")
    assert (ran.code, addresses(tmp_path)) == (3, 12), "the guard still limits what is emptied in the target"
    assert json.loads(ran.out)["directories"][0]["pull"]["accepted"] == ["email"]
    assert [one["target"] for one in held(usersyncd)] == ["app"]
    assert usersyncd("approve", "hr", "--yes").code == 0
    assert usersyncd("sync").code == 0
    assert addresses(tmp_path) == 0
    assert held(usersyncd) == []


def test_a_loss_has_a_hash_and_is_never_rejected(usersyncd: Usersyncd) -> None:
    usersyncd("sync")
    [one] = held(usersyncd)
    assert (one["directory"], one["target"], one["changes"], one["decision"]) == ("hr", None, [], None)
    assert one["losses"] == [{"kind": "user", "attribute": "email", "count": 12}]
    ran = usersyncd("reject", one["hash"], "--yes")
    assert ran.code == 1
    assert ran.err.startswith("the pull of hr is discarded until the directory shows the attributes again, or their")
    document = json.loads(usersyncd("approve", one["hash"], "--yes", "--json").out)
    assert (document["held"][0]["decision"]["by"], document["held"][0]["decision"]["decision"]) == ("ann", "approved")


def addresses(folder: Path) -> int:
    with sqlite3.connect(folder / "app.db") as application:
        [(count,)] = application.execute("SELECT count(email) FROM users")
    return int(count)
