"""Bad input and faults: the command says what, where and what to do, and nobody is removed by mistake."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd
from usersyncd.state.database import open_database


def test_a_broken_row_names_file_and_line_and_nothing_is_changed(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    before = company.people()
    company.edit_row("u-0050", lambda row: "")
    company.edit_row("u-0060", lambda row: row.replace(",", "", 1))
    ran = usersyncd("sync")
    assert ran.code == 1
    assert f"{company.folder}/acme/users.csv:60: " in ran.out
    assert "    → " in ran.out
    assert company.people() == before
    (event,) = [json.loads(line) for line in ran.err.splitlines()]
    assert (event["level"], event["directory"]) == ("error", "acme")


def test_an_emptied_file_is_held_and_says_which_limit_and_what_to_do(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    before = company.people()
    ((active,),) = company.sql("SELECT count(*) FROM users WHERE active")
    company.keep("users.csv", 0)
    company.keep("members.csv", 0)
    ran = usersyncd("plan")
    assert ran.code == 3
    assert "acme (csv)  planned, and would be held\n" in ran.out
    assert "  target app: would be held\n" in ran.out
    assert "users to deactivate:\n" in ran.out
    ran = usersyncd("sync")
    assert ran.code == 3
    assert "  target app: held, nothing was delivered\n" in ran.out
    assert f"  deactivations: 100% ({active} of {active}), allowed 10%\n" in ran.out
    assert "  member_removals: 100% (783 of 783), allowed 30%\n" in ran.out
    assert re.search(r"approve it:\n +usersyncd approve [0-9a-f]{12}\n", ran.out)
    assert company.people() == before
    ran = usersyncd("sync", "--json")
    (directory,) = json.loads(ran.out)["directories"]
    (target,) = directory["targets"]
    assert (ran.code, directory["status"], target["held"]) == (3, "held", True)
    assert target["guard"][0] == {"limit": "deactivations", "allowed": "10%", "found": f"100% ({active} of {active})"}
    assert sum(target["counts"]["users"].values()) == 0
    assert target["planned"]["users"]["deactivate"] == active
    (status,) = json.loads(usersyncd("status", "--json").out)["directories"]
    assert (status["status"], status["held"]) == ("held", directory["plan"])
    assert target["harm"].startswith("sha256:")
    command = f"usersyncd approve {target['harm'][7:19]}"
    assert status["harms"] == [{"target": "app", "harm": target["harm"], "command": command}]
    assert "→ see `usersyncd plan acme`" in usersyncd("status").out


def test_a_held_plan_goes_through_once_its_limit_is_raised(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    company.keep("users.csv", 200)
    assert usersyncd("sync").code == 3
    company.configure(DIRECTORY + TARGET + "    guard: {deactivations: 40%}\n")
    assert usersyncd("sync").code == 0
    assert company.sql("SELECT count(*) FROM users WHERE active") < [(200,)]
    assert json.loads(usersyncd("status", "--json").out)["directories"][0]["held"] is None


def test_a_target_that_cannot_be_written_fails_alone(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    (company.folder / "ro.db").write_bytes((company.folder / "app.db").read_bytes())
    other = TARGET.replace("targets:\n  app", "  ro").replace("///app.db", "///file:ro.db?mode=ro&uri=true")
    company.configure(DIRECTORY + TARGET + other)
    company.edit_row("u-0034", lambda row: row.replace("wolf.", "w."))
    ran = usersyncd("sync")
    assert ran.code == 1
    assert "  target app: changed\n" in ran.out
    assert "  target ro: failed\n  " in ran.out
    assert "read" in ran.out.partition("target ro: failed")[2]
    assert company.sql("SELECT email FROM users WHERE id = 'u-0034'") == [("w.hausenbergerdorff@acme.example",)]
    (directory,) = json.loads(usersyncd("sync", "--json").out)["directories"]
    assert directory["status"] == "failed"
    assert directory["error"].startswith("target ro: ")
    assert directory["error"].count("target ro") == 1


def test_a_table_that_is_missing_is_named(usersyncd: Usersyncd, company: Company) -> None:
    sqlite3.connect(company.folder / "app.db").execute("CREATE TABLE app_users (id TEXT)").connection.close()
    company.configure(DIRECTORY + TARGET.replace("create_tables: true", "tables: {users: app_user}"))
    ran = usersyncd("sync")
    assert ran.code == 1
    assert "  target app: failed\n  table `app_user` " in ran.out


def test_a_state_database_of_a_newer_version_is_refused(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    state = company.folder / "usersyncd.db"
    database = open_database(f"sqlite:///{state}")
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for command in ("plan", "sync", "status", "history"):
        ran = usersyncd(command)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith(f"the state database sqlite:///{state} is of version 9999, which a newer usersyncd ")
        assert "\n  → run the newer usersyncd again" in ran.err


def test_malformed_yaml_is_shown_with_its_line(usersyncd: Usersyncd, company: Company) -> None:
    company.configure("directories:\n  acme: {connector: csv\n" + TARGET)
    for command in (["plan"], ["sync"], ["status"], ["history"], ["show", "01"]):
        ran = usersyncd(*command)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("usersyncd.yaml:3:")
        assert "Traceback" not in ran.err


def test_a_rule_that_is_wrong_is_shown_with_its_line(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + TARGET + "    users: {where: user.emial != null}\n")
    ran = usersyncd("sync")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("usersyncd.yaml:9:")
    assert "emial" in ran.err
    assert not Path("usersyncd.db").exists()
