"""``usersyncd who``: finding a person, and saying for each target whether the person is in it, since when and why."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.company import EXAMPLES
from tests.cli.running import Usersyncd
from tests.cli.test_json_docs import block, comparable

COLUMNS = "id,email,displayName,active,userType,validUntil,title"
ADA = "1,ada@x.example,Ada Byron,true,Employee,,Analyst"
BOB = "2,bob@x.example,Bob Kahn,true,Intern,,"
ZOE = "3,zoe@x.example,Zoë Müller,true,Employee,,Analyst"
STATE = "state: sqlite:///state.db\n"
CONFIGURATION = """\
directories:
  hr:
    connector: csv
    options: {users: hr.csv, groups: groups.csv, members: members.csv}
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, create_tables: true}
    leavers: {delete_after: 30d}
    users:
      where: user.userType != "Intern"
      key: email
      set:
        email: user.email
        name: user.displayName
        active: user.active
        title: user.title
"""


class House:
    """A small directory with its configuration, and the command ``who``."""

    def __init__(self, folder: Path, usersyncd: Usersyncd) -> None:
        self.folder = folder
        self.usersyncd = usersyncd
        self.configure(CONFIGURATION)
        (folder / "groups.csv").write_text("id,displayName\ng1,Staff\ng2,Board\n")
        (folder / "members.csv").write_text("group_id,member_id\ng1,1\ng1,3\ng2,g1\n")
        self.people(ADA, BOB, ZOE)

    def configure(self, text: str) -> None:
        (self.folder / "usersyncd.yaml").write_text(text, "utf-8")

    def people(self, *rows: str) -> None:
        (self.folder / "hr.csv").write_text("\n".join([COLUMNS, *rows, ""]), "utf-8")

    def sync(self, code: int = 0) -> None:
        ran = self.usersyncd("sync")
        assert ran.code == code, ran

    def who(self, *words: str) -> Any:
        """The document about one person."""
        ran = self.usersyncd("who", *words, "--json")
        assert ran.code == 0, ran
        return json.loads(ran.out)["person"]

    def app(self, *words: str) -> Any:
        """Return the part of the document about the only target."""
        (target,) = self.who(*words)["targets"]
        return target

    def state(self, statement: str) -> None:
        with closing(sqlite3.connect(self.folder / "state.db")) as state, state:
            state.execute(statement)

    def last_run(self) -> str:
        (run,) = json.loads(self.usersyncd("history", "--limit", "1", "--json").out)
        assert isinstance(run["run"], str)
        return run["run"]

    def matches(self, *words: str) -> list[str]:
        return [one["id"] for one in json.loads(self.usersyncd("who", *words, "--json").out)["matches"]]


@pytest.fixture
def house(usersyncd: Usersyncd, tmp_path: Path) -> House:
    return House(tmp_path, usersyncd)


def only(reasons: list[dict[str, Any]]) -> dict[str, Any]:
    (reason,) = reasons
    return reason


# ---- finding


def test_a_person_is_found_by_id_key_target_id_and_words_of_any_attribute(house: House) -> None:
    house.people(ADA, BOB, ZOE, "4,1,Cyd 1,true,Employee,,1")
    house.sync()
    target_id = house.app("1")["target_id"]
    for words in (["1"], ["ada@x.example"], [target_id], ["BYRON"], ["ada", "analyst"], ["ada analyst"]):
        assert house.matches(*words) == ["1"], words
    assert house.matches("MÜLLER") == ["3"]
    assert house.matches("mu\u0308ller") == ["3"]
    assert house.matches("analyst") == ["1", "3"]
    assert house.matches("displayName") == []
    assert house.matches("b%n") == []
    assert house.matches("") == []


def test_several_matches_are_listed_and_the_user_is_asked_for_more(house: House) -> None:
    house.sync()
    ran = house.usersyncd("who", "analyst")
    assert ran.code == 1
    assert ran.out == (
        "2 people match:\n  Ada Byron   1  hr\n  Zoë Müller  3  hr\n  → give the id, more words, or --directory DIR\n"
    )
    house.people(*(f"{number},u{number}@x.example,User {number},true,Employee,," for number in range(100, 130)))
    house.usersyncd("sync")
    ran = house.usersyncd("who", "user")
    assert ran.out.startswith("more than 20 people match:\n")
    assert ran.out.count("\n") == 22
    document = json.loads(house.usersyncd("who", "user", "--json").out)
    assert (len(document["matches"]), document["more"], document["person"]) == (20, True, None)


def test_who_finds_nobody_in_a_directory_that_was_not_pulled_yet(house: House) -> None:
    ran = house.usersyncd("who", "ada")
    assert ran.code == 1
    assert "no person in the snapshot matches “ada”\nhr was never read" in ran.err
    house.sync()
    ran = house.usersyncd("who", "nobody")
    assert ran.code == 1
    assert "no person in the snapshot matches “nobody”\n  → " in ran.err
    assert json.loads(house.usersyncd("who", "nobody", "--json").out)["matches"] == []


def test_the_search_can_be_restricted_to_one_directory(house: House) -> None:
    both = CONFIGURATION.replace("targets:", "  lab:\n    connector: csv\n    options: {users: lab.csv}\ntargets:")
    house.configure(both)
    (house.folder / "lab.csv").write_text(f"{COLUMNS}\n{ADA.replace('ada@', 'ada.lab@')}\n", "utf-8")
    house.sync()
    assert house.matches("1") == ["1", "1"]
    assert house.who("1", "--directory", "lab")["directory"] == "lab"
    ran = house.usersyncd("who", "1", "--directory", "la")
    assert (ran.code, "there is no directory “la”" in ran.err) == (2, True)


def test_a_key_that_is_a_number_is_found(house: House) -> None:
    number = "key: number\n      set:\n        number: 4700 + int(user.id)"
    house.configure(CONFIGURATION.replace("key: email\n      set:", number))
    house.sync()
    assert house.matches("4703") == ["3"]


# ---- why


def test_who_says_whether_a_person_is_in_the_target_or_left_out_by_a_condition(house: House) -> None:
    house.configure(STATE + CONFIGURATION)
    house.people(ADA, BOB.replace("Bob Kahn", "Bob\x1b[31mKahn"), ZOE)
    house.sync()
    run = house.last_run()
    person = house.who("1")
    assert (person["name"], person["groups"], person["group_count"]) == ("Ada Byron", ["Board", "Staff"], 2)
    (app,) = person["targets"]
    assert (app["state"], app["change"], app["run"], app["reasons"]) == ("active", "create", run, [])
    assert app["key"] == "ada@x.example"
    assert app["target_id"]
    out = house.app("2")
    assert (out["state"], out["since"], out["run"]) == ("absent", None, None)
    assert only(out["reasons"]) == {
        "reason": "where", "message": "users.where leaves the user out", "remedy": None,
        "rule": 'user.userType != "Intern"', "place": "usersyncd.yaml:12",
        "reads": [{"name": "user.userType", "value": "Intern", "source": "userType"}], "command": None, "run": None,
    }  # fmt: skip
    assert "\x1b" not in house.usersyncd("who", "2").out
    house.state("DELETE FROM journal")
    assert "app: in it, since before the history begins\n" in house.usersyncd("who", "1").out


def test_who_says_that_a_date_or_the_directory_ended_the_access(house: House) -> None:
    house.people(ADA.replace("Employee,,", "Employee,2020-03-31,"), ZOE.replace("true", "false"))
    house.sync()
    app = house.app("1")
    assert app["state"] == "inactive"
    reason = only(app["reasons"])
    assert (reason["reason"], reason["message"]) == (
        "inactive", "the user is not active after 2020-03-31 (validUntil)",
    )  # fmt: skip
    assert (reason["rule"], reason["place"]) == ("user.active", "usersyncd.yaml:16")
    assert only(house.app("3")["reasons"])["message"] == "the directory says that the user is not active"
    house.configure(CONFIGURATION.replace("active: user.active", 'active: user.title != "Analyst"'))
    reason = house.app("1")["reasons"][0]
    assert reason["message"] == "users.set.active says that the user is not active"
    assert reason["reads"] == [{"name": "user.title", "value": "Analyst", "source": "title"}]


def test_who_names_a_rule_that_fails(house: House) -> None:
    house.configure(CONFIGURATION.replace("name: user.displayName", "name: string(int(user.displayName))"))
    house.sync(1)
    reasons = {one["reason"]: one for one in house.app("1")["reasons"]}
    assert reasons.keys() == {"rule_error", "failed"}
    assert reasons["rule_error"]["place"] == "usersyncd.yaml:15"
    assert reasons["rule_error"]["rule"] == "string(int(user.displayName))"


def test_who_names_a_key_conflict_and_a_failed_pull(house: House) -> None:
    house.sync()
    house.people(ADA, ZOE.replace("zoe@", "ada@"))
    house.sync(1)
    reason = only(house.app("3")["reasons"])
    assert (reason["reason"], reason["run"]) == ("failed", house.last_run())
    assert "belongs to user 1 of hr already" in reason["message"]
    (house.folder / "hr.csv").unlink()
    house.sync(1)
    note = only(house.who("3")["notes"])
    assert note["reason"] == "pull_failed"
    assert "hr.csv" in note["message"]


def test_who_names_a_leaver_and_a_deleted_object(house: House) -> None:
    house.configure(STATE + CONFIGURATION)
    house.sync()
    house.people(ZOE)
    house.sync()
    run = house.last_run()
    person = house.who("ada byron")
    (app,) = person["targets"]
    assert person["left_at"] is not None
    assert (app["state"], app["change"], app["run"]) == ("deactivated", "deactivate", run)
    assert app["delete_at"] > app["since"]
    assert [one["reason"] for one in app["reasons"]] == ["left"]
    house.configure(STATE + CONFIGURATION.replace("30d", "now"))
    house.sync()
    run = house.last_run()
    assert house.app("1")["state"] == "absent"
    house.state("DELETE FROM harms")  # as the end of the guard's window does
    house.people(ZOE, BOB)
    house.sync()
    for words in ("1", "ada@x.example"):
        person = house.who(words)
        (app,) = person["targets"]
        assert not person["known"]
        assert (app["state"], app["change"], app["run"]) == ("absent", "delete", run)


def test_who_names_a_held_plan_and_a_rejection(house: House) -> None:
    everyone = [f"{number},u{number}@x.example,User {number},true,Employee,," for number in range(10, 30)]
    house.people(*everyone)
    house.sync()
    house.people(*everyone[12:], ADA)
    house.sync(3)
    leaver = house.app("10")
    assert leaver["state"] == "active"
    assert [one["reason"] for one in leaver["reasons"]] == ["left", "held"]
    held = leaver["reasons"][1]
    assert held["message"] == "the guard holds the plan of hr in app: it would deactivate user 10"
    approve = held["command"].split()
    new = only(house.app("1")["reasons"])
    assert (new["message"], new["command"]) == (
        "the guard holds the plan of hr in app because of others: the changes of this user wait with it",
        held["command"],
    )  # fmt: skip
    assert house.app("29")["reasons"] == []
    assert house.usersyncd("reject", *approve[2:], "--yes", "--reason", "still here").code == 0
    house.sync()
    rejected = house.app("10")["reasons"][1]
    assert [one["reason"] for one in house.app("10")["reasons"]] == ["left", "rejected"]
    assert rejected["command"] == "usersyncd reject hr --undo"
    assert re.fullmatch(r"deactivate user 10 was rejected by .+ on .+ \(still here\)", rejected["message"])


def test_who_blames_no_held_plan_without_the_person(house: House) -> None:
    house.configure(CONFIGURATION + "    guard: {at_least: 1}\n")
    everyone = [f"{number},u{number}@x.example,User {number},true,Employee,," for number in range(10, 30)]
    house.people(*everyone)
    house.sync()
    house.people(*everyone[4:])
    house.sync(3)
    assert house.usersyncd("reject", "hr", "--yes").code == 0
    house.people(*everyone[8:])
    house.sync(3)
    assert [one["reason"] for one in house.app("10")["reasons"]] == ["left", "rejected"]
    assert [one["reason"] for one in house.app("14")["reasons"]] == ["left", "held"]
    (house.folder / "app.db").write_bytes(b"no database")
    house.people(*everyone[9:])
    house.sync(1)
    assert [one["reason"] for one in house.app("18")["reasons"]] == ["left", "delivery_failed"]
    assert [one["reason"] for one in house.app("14")["reasons"]] == ["left", "held", "delivery_failed"]


def test_who_names_a_waiting_change_and_a_failed_delivery(house: House) -> None:
    house.sync()
    house.configure(CONFIGURATION.replace('where: user.userType != "Intern"', 'where: user.id != "1"'))
    assert [one["reason"] for one in house.app("1")["reasons"]] == ["where", "waiting"]
    assert house.app("2")["reasons"] == [
        only(house.app("2")["reasons"]) | {"reason": "waiting", "command": "usersyncd sync hr"}
    ]
    (house.folder / "app.db").write_bytes(b"no database")
    house.sync(1)
    reason = only(house.app("2")["reasons"])
    assert (reason["reason"], reason["run"]) == ("delivery_failed", house.last_run())
    assert "delivery failed" in house.usersyncd("status").out
    (house.folder / "hr.csv").unlink()
    house.sync(1)
    assert "pull failed" in house.usersyncd("status").out


def test_who_names_a_target_that_does_not_list_the_directory_any_more(house: House) -> None:
    house.sync()
    lab = "  lab:\n    connector: csv\n    options: {users: lab.csv}\ntargets:"
    house.configure(
        CONFIGURATION.replace("targets:", lab).replace("connector: sql", "connector: sql\n    directories: [lab]")
    )
    app = house.app("1")
    assert app["state"] == "active"
    assert [one["reason"] for one in app["reasons"]] == ["not_listed", "waiting"]


def test_the_example_of_the_json_page_is_what_the_command_prints(house: House) -> None:
    (house.folder / "examples").mkdir()
    shutil.copytree(EXAMPLES, house.folder / "examples" / "acme")
    house.configure(block("yaml"))
    house.sync()
    subprocess.run(["sh", "-ec", block("sh")], cwd=house.folder, check=True)
    house.sync(1)
    printed = json.loads(house.usersyncd("who", "u-0050", "--json").out)
    assert comparable(printed) == comparable(json.loads(block("json", "usersyncd who --json")))
