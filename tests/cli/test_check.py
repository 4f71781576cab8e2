"""``usersyncd check`` shows every fault with its line; ``--online`` tries everything and says what it would read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd

pytestmark = pytest.mark.usefixtures("acme")

GOOD = """\
directories:
  desk: {connector: acme-paper}
targets:
  shelf: {connector: acme-shelf, options: {height: 3}}
"""


def write(text: str, name: str = "usersyncd.yaml") -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_check_says_that_a_valid_file_is_valid(usersyncd: Usersyncd) -> None:
    write(GOOD)
    ran = usersyncd("check")
    assert ran == (0, "usersyncd.yaml is valid. Directories: desk. Targets: shelf.\n", "")
    assert json.loads(usersyncd("check", "--json").out) == {
        "ok": True,
        "errors": [],
        "leaving": [],
        "unopened_secrets": [],
    }


def test_each_fault_is_shown_with_its_line_and_a_caret(usersyncd: Usersyncd) -> None:
    write("directories:\n  desk: {connector: acme-papr}\n  door: {connector: acme-paper, evry: 5m}\n")
    ran = usersyncd("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "usersyncd.yaml:2:21: directories.desk.connector: no source connector “acme-papr” is installed: "
        "did you mean acme-paper? (see `usersyncd connectors`)",
        "      desk: {connector: acme-papr}",
        "                        ^",
        "usersyncd.yaml:3:33: directories.door.evry: unknown key: did you mean every?",
        "      door: {connector: acme-paper, evry: …}",
        "                                    ^",
    ]


def test_faults_as_json(usersyncd: Usersyncd) -> None:
    write("directories:\n  desk: {connector: acme-paper, evry: 5m}\n")
    ran = usersyncd("check", "--json")
    assert (ran.code, ran.err) == (2, "")
    assert json.loads(ran.out) == {
        "ok": False,
        "errors": [
            {
                "file": "usersyncd.yaml",
                "line": 2,
                "column": 33,
                "path": "directories.desk.evry",
                "message": "unknown key: did you mean every?",
            }
        ],
    }


RULES = """\
directories:
  desk: {connector: acme-paper}
targets:
  shelf:
    connector: acme-shelf
    options: {height: 3}
    users:
      where: |
        user.active and
          user.emial != null
      key: login
      set: {login: user.id, mail: user.emial}
"""


def test_each_fault_of_a_rule_is_shown_with_its_line_and_a_caret(usersyncd: Usersyncd) -> None:
    write(RULES)
    ran = usersyncd("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "usersyncd.yaml:9:21: targets.shelf.users.where: CEL has no `and`: did you mean `&&`?",
        "            user.active and",
        "                        ^",
        "usersyncd.yaml:10:16: targets.shelf.users.where: there is no user.emial: did you mean user.email?",
        "              user.emial != null",
        "                   ^",
        "usersyncd.yaml:12:40: targets.shelf.users.set.mail: there is no user.emial: did you mean user.email?",
        "          set: {login: user.id, mail: user.emial}",
        "                                           ^",
    ]


def test_faults_of_the_file_and_of_its_rules_as_json_together(usersyncd: Usersyncd) -> None:
    write(RULES.replace("and\n", "&&\n").replace("key: login", "key: lgin"))
    errors = json.loads(usersyncd("check", "--json").out)["errors"]
    assert [(one["line"], one["column"], one["path"]) for one in errors] == [
        (10, 16, "targets.shelf.users.where"),
        (11, 12, "targets.shelf.users.key"),
        (12, 40, "targets.shelf.users.set.mail"),
    ]


def test_a_missing_file_is_an_error_as_json_too(usersyncd: Usersyncd) -> None:
    ran = usersyncd("check", "--json", "-c", "none.yaml")
    assert ran.code == 2
    (error,) = json.loads(ran.out)["errors"]
    assert error["file"] == "none.yaml"
    assert "there is no such file" in error["message"]
    ran = usersyncd("check", "--json")
    assert ran.code == 2
    assert "there is no configuration file" in json.loads(ran.out)["errors"][0]["message"]


def test_online_says_what_would_be_read_and_shows_the_first_people(usersyncd: Usersyncd) -> None:
    write(GOOD)
    ran = usersyncd("check", "--online")
    assert (ran.code, ran.err) == (0, "")
    assert (
        "directory desk (acme-paper): ok\n  paper at paper://desk\n  would read 4 users, 1 group, 4 memberships\n"
        in ran.out
    )
    assert "user0@acme.example user1@acme.example user2@acme.example" in " ".join(ran.out.split())
    assert "user3" not in ran.out
    assert "target shelf (acme-shelf): ok\n  users have id, userName" in ran.out


def test_online_as_json(usersyncd: Usersyncd) -> None:
    write(GOOD)
    ran = usersyncd("check", "--online", "--json")
    (directory,), (target,) = json.loads(ran.out)["directories"], json.loads(ran.out)["targets"]
    assert json.loads(ran.out)["ok"] is True
    assert (directory["users"], directory["groups"], directory["memberships"], directory["error"]) == (4, 1, 4, None)
    assert directory["people"][0] == {"id": "0", "userName": "user0", "email": "user0@acme.example", "active": True}
    assert (target["name"], target["connector"], target["error"]) == ("shelf", "acme-shelf", None)


def test_online_tries_everything_and_then_fails(usersyncd: Usersyncd) -> None:
    write(
        "directories:\n"
        "  cellar: {connector: acme-flood}\n"
        "  torn: {connector: acme-paper, options: {torn: true}}\n"
        "  twisted: {connector: acme-paper, attributes: {title: 'raw.room / 0'}}\n"
        "  desk: {connector: acme-paper}\n"
        "targets:\n"
        "  full: {connector: acme-shelf, options: {height: 1, full: true}}\n"
        "  shelf: {connector: acme-shelf, options: {height: 3}, users: {key: login, set: {login: user.id}}}\n"
    )
    ran = usersyncd("check", "--online")
    assert ran.code == 1
    assert "directory cellar (acme-flood): failed\n  the cellar is under water\n    → pump it out\n" in ran.out
    assert "directory torn (acme-paper): failed\n  paper at paper://desk\n  the source stopped before `Done`" in ran.out
    assert "directory twisted (acme-paper): failed" in ran.out
    assert "directory desk (acme-paper): ok" in ran.out
    assert "target full (acme-shelf): failed\n  the shelf is full\n    → sell some books" in ran.out
    assert "target shelf (acme-shelf): ok\n  users have login, active\n" in ran.out
    assert json.loads(usersyncd("check", "--online", "--json").out)["ok"] is False


@pytest.mark.parametrize("named", ["", "    users: {key: email, set: {email: user.email}}\n"], ids=["canonical", "set"])
def test_online_says_what_protect_covers(usersyncd: Usersyncd, company: Company, named: str) -> None:
    company.configure(DIRECTORY + TARGET + named)
    assert usersyncd("sync").code == 0
    known = "sakura.igarashi@acme.example" if named else "u-0041"
    company.configure(DIRECTORY + TARGET + named + f"    protect: [{known}, g-0001, nobody@acme.example]\n")
    ran = usersyncd("check", "--online")
    assert ran.code == 0
    assert "\n  the keys under `protect` cover 1 user and 1 group\n" in ran.out
    assert ran.out.endswith(
        "\n  warning: `protect` names nobody@acme.example, and the target has no user or group with exactly this "
        "key: correct it, or take it out\n"
    )
    (target,) = json.loads(usersyncd("check", "--online", "--json").out)["targets"]
    assert [warning.split()[2] for warning in target["warnings"]] == ["nobody@acme.example,"]


def test_online_names_groups_of_one_name_where_a_rule_goes_by_it(usersyncd: Usersyncd, company: Company) -> None:
    rule = """    users: {key: id, set: {id: user.id, role: '"app-admins" in user.groups ? "admin" : "member"'}}\n"""
    company.configure(DIRECTORY + TARGET + rule)
    assert "are called" not in usersyncd("check", "--online").out
    company.edit("groups.csv", lambda text: text + "g-9999,app-admins,Not these,\n")
    ran = usersyncd("check", "--online", "--json")
    [warning] = json.loads(ran.out)["directories"][0]["warnings"]
    assert warning.startswith("2 groups are called “app-admins”, and a rule compares this name: ")
    assert "(g-0019, g-9999)" in warning
    assert ran.code == 0


def test_online_names_records_with_broken_text(usersyncd: Usersyncd, company: Company) -> None:
    company.keep("users.csv", 0)
    company.keep("members.csv", 0)
    with (company.folder / "acme" / "users.csv").open("rb") as file:
        columns = file.readline().decode().strip().split(",")
    cells = {"id": b"1", "displayName": b"J\xf6rg"}
    row = b",".join(cells.get(column, b"") for column in columns)
    with (company.folder / "acme" / "users.csv").open("ab") as file:
        file.write(row + b"\n" + row.replace(b"1,", b"\xe9,", 1) + b"\n")
    ran = usersyncd("check", "--online", "--json")
    [directory] = json.loads(ran.out)["directories"]
    assert directory["warnings"] == [
        "user 1: displayName: this is not valid Unicode",
        "user \\udce9: displayName: this is not valid Unicode",
    ]
    assert [(one["id"], one["displayName"]) for one in directory["people"]] == [
        ("1", "J\ufffdrg"), ("\\udce9", "J\ufffdrg"),
    ]  # fmt: skip
    assert "user 1: displayName: this is not valid Unicode" in usersyncd("check", "--online").out


def test_online_counts_what_a_condition_under_protect_covers(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    ((expected,),) = company.sql("SELECT count(*) FROM users WHERE user_type = 'Contractor'")
    assert expected > 0
    company.configure(DIRECTORY + TARGET + """    protect: user_type == "Contractor"\n""")
    out = usersyncd("check", "--online").out
    assert f"\n  the condition under `protect` covers {expected} of these rows\n" in out


@pytest.mark.parametrize("how", ["before", "after", "environment"])
def test_the_file_is_named_before_or_after_the_command_or_by_the_environment(
    usersyncd: Usersyncd, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GOOD, "other.yaml")
    write("nothing: good\n")
    if how == "environment":
        monkeypatch.setenv("USERSYNCD_CONFIG", "other.yaml")
        ran = usersyncd("check")
    else:
        ran = usersyncd(*(["-c", "other.yaml", "check"] if how == "before" else ["check", "--config", "other.yaml"]))
    assert ran.code == 0
    assert ran.out.startswith("other.yaml is valid.")
