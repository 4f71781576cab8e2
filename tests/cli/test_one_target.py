"""``--target`` plans and delivers one target only; the others get what they missed in the next run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd

CONFIGURATION = """\
directories:
  hr: {connector: csv, options: {users: hr.csv}}
  lab: {connector: csv, options: {users: lab.csv}}
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, create_tables: true}
  wiki:
    connector: sql
    directories: [hr]
    options: {url: sqlite:///wiki.db, create_tables: true}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "usersyncd.yaml").write_text(CONFIGURATION, "utf-8")
    for name in ("hr", "lab"):
        (tmp_path / f"{name}.csv").write_text(f"id,email\n{name}-1,{name}@acme.example\n", "utf-8")
    return tmp_path


def held(folder: Path, target: str) -> set[str]:
    if not (folder / f"{target}.db").exists():
        return set()
    with closing(sqlite3.connect(folder / f"{target}.db")) as database:
        return {id_ for (id_,) in database.execute("SELECT id FROM users WHERE active")}


def test_only_the_target_and_its_directories_run(usersyncd: Usersyncd, folder: Path) -> None:
    planned = json.loads(usersyncd("plan", "--target", "wiki", "--json").out)["directories"]
    assert [(one["directory"], [target["target"] for target in one["targets"]]) for one in planned] == [
        ("hr", ["wiki"])
    ]
    assert usersyncd("sync", "--target", "wiki").code == 0
    assert (held(folder, "wiki"), held(folder, "app")) == ({"hr-1"}, set())
    assert usersyncd("sync").code == 0
    assert (held(folder, "wiki"), held(folder, "app")) == ({"hr-1"}, {"hr-1", "lab-1"})


def test_the_other_targets_get_the_changes_in_the_next_run(usersyncd: Usersyncd, folder: Path) -> None:
    usersyncd("sync")
    (folder / "hr.csv").write_text("id,email\nhr-2,new@acme.example\n", "utf-8")
    assert usersyncd("sync", "--target", "wiki").code == 0
    assert (held(folder, "wiki"), held(folder, "app")) == ({"hr-2"}, {"hr-1", "lab-1"})
    assert usersyncd("sync", "hr").code == 0
    assert held(folder, "app") == {"hr-2", "lab-1"}


def test_a_run_of_one_target_does_not_count_as_a_success_of_the_directory(usersyncd: Usersyncd, folder: Path) -> None:
    usersyncd("sync")
    (folder / "hr.csv").write_text("id,email\nhr-2,new@acme.example\n", "utf-8")
    assert usersyncd("sync", "--target", "wiki").code == 0
    [hr, _] = json.loads(usersyncd("status", "--json").out)["directories"]
    assert hr["last_success"] < hr["last_run"]
    assert hr["last_delivery"] < hr["last_run"]
    [run, *_] = json.loads(usersyncd("history", "--json").out)
    assert (run["target"], run["only"]) == ("wiki", ["hr"])


def test_a_removed_directory_leaves_only_that_target(usersyncd: Usersyncd, folder: Path) -> None:
    usersyncd("sync")
    without = CONFIGURATION.replace("  hr: {connector: csv, options: {users: hr.csv}}\n", "").replace("[hr]", "[lab]")
    (folder / "usersyncd.yaml").write_text(without, "utf-8")
    assert usersyncd("sync", "--target", "wiki", "hr").code == 0
    assert (held(folder, "wiki"), held(folder, "app")) == (set(), {"hr-1", "lab-1"})
    assert usersyncd("sync", "hr").code == 0
    assert held(folder, "app") == {"lab-1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "wikki"], "--target: there is no target “wikki” in usersyncd.yaml: did you mean wiki?\n  → "),
        (["--target", "wiki", "lab"], "--target: wiki does not list the directory lab\n  → "),
    ],
)
def test_a_wrong_name_is_an_error(usersyncd: Usersyncd, folder: Path, arguments: list[str], message: str) -> None:
    ran = usersyncd("sync", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(message)
    assert not (folder / "usersyncd.db").exists()
