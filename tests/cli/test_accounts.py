"""``usersyncd accounts``: the objects of a target that no record is linked to, and their candidates."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Usersyncd

CONFIG = """\
state: sqlite:///state.db
directories:
  hr:
    connector: csv
    options: {users: hr.csv}
targets:
  app:
    connector: sql
    options: {url: "sqlite:///app.db", tables: {users: account}}
    protect: [root]
    users:
      key: login
      set: {login: user.userName, mail: user.email, name: user.displayName}
"""
PEOPLE = """\
id,userName,email,displayName
1,ada,ada@x,Ada
2,bob,bob@x,Bob
3,cyd,cyd@x,Cyd
"""
ACCOUNTS = """
CREATE TABLE account (id INTEGER PRIMARY KEY, login TEXT UNIQUE, mail TEXT, name TEXT, active BOOLEAN);
INSERT INTO account VALUES
  (1, 'ada', 'ada@x', 'ada', true),
  (2, 'bob', NULL, 'bob', false),
  (3, 'c.yd', 'CYD@x', 'Cyd', true),
  (4, 'ADA ', NULL, 'Ada again', true),
  (5, 'root', NULL, NULL, true),
  (6, 'zoe', 'zoe@x', 'Zoe', true);
"""


@pytest.fixture
def site(tmp_path: Path, usersyncd: Usersyncd) -> Path:
    """Ada is linked; Bob waits for consent; Cyd got an account of her own beside the old one."""
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "hr.csv").write_text(PEOPLE, "utf-8")
    with sqlite3.connect(tmp_path / "app.db") as application:
        application.executescript(ACCOUNTS)
    usersyncd("sync")
    return tmp_path


def accounts(usersyncd: Usersyncd, *arguments: str) -> dict[Any, dict[str, Any]]:
    ran = usersyncd("accounts", "app", "--json", *arguments)
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["format"] == 1
    [target] = document["targets"]
    assert target["target"] == "app"
    return {one["key"]: one for one in target["accounts"]}


def test_accounts_lists_objects_without_a_link_and_their_candidates(usersyncd: Usersyncd, site: Path) -> None:
    found = accounts(usersyncd)
    assert list(found) == ["bob", "c.yd", "ADA ", "root", "zoe"]
    assert (found["bob"]["target_id"], found["bob"]["attributes"]["name"]) == ('{"id":2}', "bob")
    assert found["bob"]["candidates"] == [
        {
            "directory": "hr", "id": "2", "name": "Bob", "why": "the same login", "linked": False,
            "adopt": "usersyncd sync hr --adopt 2", "first": None,
        }
    ]  # fmt: skip
    [cyd], [ada] = found["c.yd"]["candidates"], found["ADA "]["candidates"]
    assert (cyd["id"], cyd["why"], cyd["linked"], cyd["adopt"]) == ("3", "the same email", True, None)
    assert (ada["id"], ada["why"], ada["linked"]) == ("1", "the same login", True)
    assert [found[key]["protected"] for key in found] == [False, False, False, True, False]
    assert found["zoe"]["candidates"] == []


def test_the_command_that_it_shows_adopts_the_account(usersyncd: Usersyncd, site: Path) -> None:
    command = accounts(usersyncd)["bob"]["candidates"][0]["adopt"]
    assert usersyncd(*command.split()[1:]).code == 0
    assert "bob" not in accounts(usersyncd)


def test_an_account_with_another_key_says_what_to_change_first(usersyncd: Usersyncd, site: Path) -> None:
    (site / "hr.csv").write_text(PEOPLE + "4,Zoe,z@x,Zoe\n", "utf-8")
    assert usersyncd("sync").code == 1
    with sqlite3.connect(site / "state.db") as state:
        state.execute("DELETE FROM links WHERE shape LIKE '%z@x%'")
    [zoe] = accounts(usersyncd)["zoe"]["candidates"]
    assert (zoe["first"], zoe["adopt"]) == ("change its login to Zoe", "usersyncd sync hr --adopt 4")
    with sqlite3.connect(site / "app.db") as application:
        application.execute("DELETE FROM account WHERE mail = 'z@x'")
        application.execute("UPDATE account SET login = 'Zoe' WHERE id = 6")
    assert usersyncd("sync", "hr", "--adopt", "4").code == 1  # Bob still waits.
    assert "zoe" not in accounts(usersyncd)


def test_before_the_first_run_no_object_has_a_link(usersyncd: Usersyncd, site: Path) -> None:
    for file in site.glob("state.db*"):
        file.unlink()
    found = accounts(usersyncd)
    assert list(found) == ["ada", "bob", "c.yd", "ADA ", "root", "zoe", "cyd"]
    assert not any(one["candidates"] for one in found.values())
    assert not list(site.glob("state.db*"))


def test_a_row_that_names_its_record_has_it_as_a_candidate(usersyncd: Usersyncd, site: Path) -> None:
    own = CONFIG.partition("    options: {url")[0] + '    options: {url: "sqlite:///own.db", create_tables: true}\n'
    (site / "usersyncd.yaml").write_text(own, "utf-8")
    usersyncd("sync")
    with sqlite3.connect(site / "state.db") as state:
        state.execute("DELETE FROM links WHERE shape LIKE '%bob@x%'")
    [bob] = accounts(usersyncd).values()
    assert bob["record"] == ["hr", "2"]
    assert [(one["why"], one["first"]) for one in bob["candidates"]] == [("its record", None)]


def test_without_json_a_table_is_printed(usersyncd: Usersyncd, site: Path) -> None:
    out = usersyncd("accounts").out
    assert "target app: 5 objects without a link" in out
    assert "Bob (hr 2), the same login" in out
    assert "→ usersyncd sync hr --adopt 2" in out
    assert "Cyd (hr 3), the same email: has another account" in out
    assert "→ if this one is a duplicate, deactivate it in the application" in out
    assert "root" in out
    assert "active true, protected" in out


def test_csv_has_a_row_for_each_account_and_candidate(usersyncd: Usersyncd, site: Path) -> None:
    rows = list(csv.DictReader(usersyncd("accounts", "--csv").out.splitlines()))
    assert [(row["target"], row["kind"], row["key"], row["id"]) for row in rows] == [
        ("app", "user", "bob", "2"), ("app", "user", "c.yd", "3"), ("app", "user", "ADA ", "1"),
        ("app", "user", "root", ""), ("app", "user", "zoe", ""),
    ]  # fmt: skip
    assert rows[0]["adopt"] == "usersyncd sync hr --adopt 2"


def test_an_unknown_target_is_an_error_with_the_nearest_name(usersyncd: Usersyncd, site: Path) -> None:
    ran = usersyncd("accounts", "ap")
    assert ran.code == 2
    assert "there is no target “ap”" in ran.err
    assert usersyncd("accounts", "--json", "--csv").code == 2
