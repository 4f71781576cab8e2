"""An account that existed in the application before: the plan shows it and how to consent, and a consent adopts it."""

from __future__ import annotations

import json

import pytest

from tests.cli.company import DIRECTORY, Company
from tests.cli.running import Usersyncd

TARGET = """\
targets:
  app:
    connector: sql
    options: {url: sqlite:///app.db, tables: {users: account}}
    adopt: never
    users:
      where: user.id == "u-0001"
      key: email
      set: {email: user.email, name: user.displayName}
    groups: {where: "false"}
"""
ADDRESS = "marguerite.oyelaran-lindqvist@acme.example"
NAME = "Marguerite Oyelaran-Lindqvist"


@pytest.fixture
def application(company: Company) -> Company:
    company.sql(
        "CREATE TABLE account (number INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, active BOOLEAN, role TEXT)"
    )
    company.sql(f"INSERT INTO account VALUES (7, '{ADDRESS}', 'Maggie', TRUE, 'superadmin')")
    company.configure(DIRECTORY + TARGET)
    return company


def rows(company: Company) -> list[tuple[object, ...]]:
    return company.sql("SELECT number, email, name, active, role FROM account")


def test_without_consent_the_record_fails_and_the_plan_says_how_to_give_it(
    usersyncd: Usersyncd, application: Company
) -> None:
    before = rows(application)
    assert (
        f"    user {NAME} (u-0001): its email '{ADDRESS}' is that of an object in the target that has no link\n"
        "      → check whose it is; to adopt it for this user: `usersyncd sync acme --adopt u-0001`\n"
    ) in usersyncd("plan").out
    assert usersyncd("sync").code == 1
    assert rows(application) == before


@pytest.mark.parametrize("consent", [["--adopt"], ["--adopt", "u-0001"], ["--adopt", "acme"]])
def test_a_plan_with_consent_shows_the_account_and_a_sync_adopts_it(
    usersyncd: Usersyncd, application: Company, consent: list[str]
) -> None:
    ran = usersyncd("plan", *consent)
    assert (
        "    1 user to adopt:\n"
        f"    ~ {NAME} (u-0001, in the target {ADDRESS})\n"
        "        active true\n"
        f"        email  {ADDRESS}\n"
        f"        name   Maggie → {NAME}\n"
    ) in ran.out
    assert ["create", "adopt", "update", "deactivate", "reactivate", "delete", "add", "remove"] in [
        line.split() for line in ran.out.splitlines()
    ]
    assert rows(application) == [(7, ADDRESS, "Maggie", 1, "superadmin")]
    (target,) = json.loads(usersyncd("plan", *consent, "--json").out)["directories"][0]["targets"]
    (change,) = target["changes"]
    assert (change["op"], change["before"]["name"], change["after"]["name"]) == ("adopt", "Maggie", NAME)
    assert target["counts"]["users"]["adopt"] == 1
    assert "1 user adopted:" in usersyncd("sync", *consent, "--changes").out
    assert rows(application) == [(7, ADDRESS, NAME, 1, "superadmin")]
    assert "nothing to change" in usersyncd("plan").out


def test_a_protected_account_is_not_adopted_with_consent_either(usersyncd: Usersyncd, application: Company) -> None:
    application.configure(DIRECTORY + TARGET + '    protect: role == "superadmin"\n')
    ran = usersyncd("sync", "--adopt")
    assert ran.code == 1
    assert f"its email '{ADDRESS}' is that of an object that `protect` names\n" in ran.out
    assert "→ correct its email in the directory, or take the object out of `protect`\n" in ran.out
    assert rows(application) == [(7, ADDRESS, "Maggie", 1, "superadmin")]


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_an_unknown_id_after_adopt_is_an_error_and_the_rest_is_done(
    usersyncd: Usersyncd, application: Company, command: str
) -> None:
    ran = usersyncd(command, "--adopt", "u-0001", "--adopt", "u-1", "--json")
    assert ran.code == 2
    assert "--adopt: no record of acme has the id u-1\n" in ran.err
    assert "→ copy the id from the report of the run" in ran.err
    assert json.loads(ran.out)["directories"][0]["targets"][0]["planned"]["users"]["adopt"] == 1
    assert (rows(application)[0][2] == NAME) is (command == "sync")


def test_consent_forgets_an_account_that_got_the_id_of_another_one(usersyncd: Usersyncd, application: Company) -> None:
    assert usersyncd("sync", "--adopt").code == 0
    application.sql("DELETE FROM account")
    application.sql("INSERT INTO account VALUES (7, 'zoe@acme.example', 'Zoe', TRUE, 'user')")
    application.edit_row("u-0001", lambda row: row.replace(NAME, "Margo Oyelaran"))
    zoe = (7, "zoe@acme.example", "Zoe", 1, "user")
    for consent in ([], ["--adopt"]):
        ran = usersyncd("sync", *consent)
        assert ran.code == 1
        assert "the row with number=7 is not the one that was delivered: it has email 'zoe@acme.example'" in ran.out
        assert (
            "→ check whose row it is; if it belongs to another record, `usersyncd sync acme --adopt u-0001` forgets it"
            in ran.out
        )
        assert rows(application) == [zoe]
    assert "1 user to create" in usersyncd("plan", "--adopt", "u-0001").out
    assert usersyncd("sync", "--adopt", "u-0001").code == 0
    first, second = rows(application)
    assert first == zoe
    assert second[1] == ADDRESS
    assert "nothing to change" in usersyncd("plan").out
