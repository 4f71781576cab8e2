"""A directory is removed from the file or from a target: what ``check``, ``status``, ``plan`` and ``sync`` do."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd

BOTH = """\
directories:
  hr: {connector: csv, options: {users: hr.csv}}
  lab: {connector: csv, options: {users: lab.csv}}
"""
HR = """\
directories:
  hr: {connector: csv, options: {users: hr.csv}}
"""
TARGET = """\
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, create_tables: true}
"""


def configure(text: str) -> None:
    Path("usersyncd.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def synced(usersyncd: Usersyncd) -> None:
    for name in ("hr", "lab"):
        rows = "".join(f"{number},{name}{number}@x\n" for number in range(12))
        Path(f"{name}.csv").write_text(f"id,email\n{rows}", encoding="utf-8")
    configure(BOTH + TARGET)
    assert usersyncd("sync").code == 0


NOTICE = (
    "lab leaves app, which does not list it and holds 12 users and 0 groups\n"
    "  → `usersyncd plan lab` shows what leaves, `usersyncd sync lab` removes it; if the guard holds this, "
    "`usersyncd approve lab` lets it through\n"
)
FORMER = "  → If lab has another name now, write `was: lab` under that name, before anything leaves.\n"
LEAVING = [{"directory": "lab", "target": "app", "users": 12, "groups": 0, "leavers": 0}]


@pytest.mark.parametrize(
    ("text", "former"), [(HR + TARGET, True), (BOTH + TARGET + "    directories: [hr]\n", False)],
    ids=["removed", "unlisted"],
)  # fmt: skip
def test_people_leave_the_target_after_an_approval(usersyncd: Usersyncd, text: str, former: bool) -> None:
    configure(text)
    assert NOTICE in usersyncd("check").out
    assert (FORMER in usersyncd("check").out) is former
    assert json.loads(usersyncd("check", "--json").out)["leaving"] == LEAVING
    assert NOTICE in usersyncd("status").out
    standing = json.loads(usersyncd("status", "--json").out)["directories"]
    assert [(one["directory"], one["connector"], one["leaving"]) for one in standing] == [
        ("hr", "csv", []), ("lab", "csv", LEAVING),
    ]  # fmt: skip
    ran = usersyncd("plan", "lab")
    assert ran.code == 3
    assert "target app, which does not list lab: would be held\n" in ran.out
    assert "- lab3@x (3)" in ran.out, "people are named"
    ran = usersyncd("sync")
    assert ran.code == 3
    assert "  deactivations: 100% (12 of 12), allowed 10%\n" in ran.out
    assert "  → Does lab leave app? If not, put it back into the file" in ran.out
    assert usersyncd("approve", "lab", "--yes").code == 0
    ran = usersyncd("sync", "lab")
    assert ran.code == 0
    assert ran.out.startswith("lab (csv)  succeeded\n")
    assert "hr (csv)" not in ran.out
    assert NOTICE not in usersyncd("check").out + usersyncd("status").out
    document = json.loads(usersyncd("sync", "--json").out)
    assert not any(target["leaving"] for one in document["directories"] for target in one["targets"])


def test_a_run_of_a_removed_directory_in_json(usersyncd: Usersyncd) -> None:
    configure(HR + TARGET)
    hr, lab = json.loads(usersyncd("sync", "--json").out)["directories"]
    assert (hr["pull"]["users"], hr["targets"][0]["leaving"]) == (12, False)
    assert (lab["directory"], lab["connector"], lab["pull"], lab["status"]) == ("lab", "csv", None, "held")
    assert (lab["targets"][0]["leaving"], lab["targets"][0]["planned"]["users"]["deactivate"]) == (True, 12)


def test_a_removed_directory_is_unknown_after_its_people_left(usersyncd: Usersyncd) -> None:
    configure(HR + TARGET)
    usersyncd("sync")
    assert usersyncd("approve", "lab", "--yes").code == 0
    assert usersyncd("sync", "lab").code == 0
    assert "there is no directory “lab” in" in usersyncd("sync", "lab").err


def test_check_accepts_a_valid_file_beside_an_unreadable_state(usersyncd: Usersyncd) -> None:
    Path("usersyncd.db").write_text("this is not a database, " * 100, encoding="utf-8")
    ran = usersyncd("check")
    assert ran.code == 0
    assert "usersyncd.yaml is valid." in ran.out
    assert "It is unknown whether a directory leaves a target: the state database" in ran.out
    assert json.loads(usersyncd("check", "--json").out) == {
        "ok": True,
        "errors": [],
        "leaving": None,
        "unopened_secrets": [],
    }


def test_links_of_a_target_that_was_replaced_are_kept_until_they_are_forgotten(
    usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert usersyncd("forget").out == "Every set of links is used by a target.\n"
    assert usersyncd("sync", "--verify").code == 0
    configure((BOTH + TARGET).replace("app.db", "other.db"))
    ran = usersyncd("sync", "hr")
    assert "this is another target than before" in ran.out
    (kept,) = json.loads(usersyncd("forget", "--json").out)["targets"]
    assert (kept["number"], kept["target"], kept["users"], kept["groups"]) == (1, "app", 24, 0)
    assert json.loads(kept["identity"])["database"] == f"{tmp_path}/app.db"
    assert usersyncd("forget").out.splitlines()[1].split()[:4] == ["1", "app", "24", "0"]
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert usersyncd("forget", "app").code == 1
    assert len(json.loads(usersyncd("forget", "--json").out)["targets"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "Forgotten: the links of 24 users and 0 groups of app: " in usersyncd("forget", "1").out
    ran = usersyncd("forget", "app", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("there is no set of links app, or a target of the configuration file uses it\n")
    assert usersyncd("sync", "hr").code == 0


def test_a_set_of_several_with_one_name_is_forgotten_by_its_number(usersyncd: Usersyncd) -> None:
    for name in ("other", "third"):
        configure((BOTH + TARGET).replace("app.db", f"{name}.db"))
        assert usersyncd("sync").code == 0
    ran = usersyncd("forget", "app", "--yes")
    assert ran.code == 1
    assert ran.err.startswith("several sets of links belong to a target app: 1, 2\n  → give the number of one")
    assert usersyncd("forget", "2", "--yes").code == 0
    assert [one["number"] for one in json.loads(usersyncd("forget", "--json").out)["targets"]] == [1]


def test_verify_covers_the_leavers_that_a_target_keeps(usersyncd: Usersyncd, tmp_path: Path) -> None:
    """After a restore of the target they are active again. Only ``--verify`` finds that: nobody leaves in this run."""
    configure(HR + TARGET)
    usersyncd("sync")
    assert usersyncd("approve", "lab", "--yes").code == 0
    assert usersyncd("sync").code == 0
    with sqlite3.connect(tmp_path / "app.db") as target:
        target.execute("UPDATE users SET active = 1")
    assert "lab" not in usersyncd("check").out
    assert json.loads(usersyncd("sync", "--json").out)["directories"][0]["directory"] == "hr"
    assert "12 users to deactivate" in usersyncd("plan", "--verify", "lab").out
    assert usersyncd("sync", "--verify", "lab").code == 3
    assert usersyncd("approve", "lab", "--yes").code == 0
    assert usersyncd("sync", "--verify", "lab").code == 0
    with sqlite3.connect(tmp_path / "app.db") as target:
        assert dict(target.execute("SELECT directory, sum(active) FROM users GROUP BY 1")) == {"hr": 12, "lab": 0}
