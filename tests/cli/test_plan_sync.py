"""``plan`` shows what would change and changes nothing; ``sync`` does it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd
from usersyncd.state import lock
from usersyncd.state.database import open_database

RULED = f"""\
{TARGET}    users:
      where: user.userType != "Intern"
      key: email
      set: {{email: user.email, name: user.displayName}}
"""


def without_target_ids(value: Any) -> Any:
    """Remove the target ids of created objects: a plan cannot know them yet."""
    if isinstance(value, dict):
        return {name: without_target_ids(inner) for name, inner in value.items() if name != "target_id"}
    return [without_target_ids(inner) for inner in value] if isinstance(value, list) else value


def test_a_plan_names_records_and_counts_and_changes_nothing(usersyncd: Usersyncd, company: Company) -> None:
    ran = usersyncd("plan")
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["users", "249", "0", "0", "0", "0"] in lines
    assert ["memberships", "783", "0"] in lines
    assert "    249 users to create:\n    + Marguerite Oyelaran-Lindqvist (u-0001)\n" in ran.out
    assert "    … and 239 more (--all shows them)\n" in ran.out
    assert not (company.folder / "app.db").exists()
    assert usersyncd("history").out == "There was no run yet.\n"


def test_all_shows_every_record_and_piped_text_is_plain_and_uncut(usersyncd: Usersyncd, company: Company) -> None:
    out = usersyncd("plan", "--all").out
    assert "--all" not in out
    assert len(re.findall(r"^    \+ .* \(u-\d{4}\)$", out, re.MULTILINE)) == 249
    assert "\x1b" not in out
    assert "\r" not in out
    assert not re.search(r" $", out, re.MULTILINE)
    assert "…" not in out
    assert "Wolfeschlegel-Alexander Hausenbergerdorff-Steinhagen zu Oberwaldenburg (u-0034)" in out


def test_a_create_shows_its_first_values_and_all_of_them_on_demand(usersyncd: Usersyncd, company: Company) -> None:
    assert (
        "    + Marguerite Oyelaran-Lindqvist (u-0001)\n"
        "        costCenter CC-1000 · department Executive · email marguerite.oyelaran-lindqvist@acme.example · "
        "employeeNumber 044367 · … and 9 more\n"
    ) in usersyncd("plan").out
    everything = usersyncd("plan", "--all").out
    assert (
        "    + Marguerite Oyelaran-Lindqvist (u-0001)\n"
        "        costCenter        CC-1000\n"
        "        department        Executive\n"
    ) in everything
    assert "        userType          Employee\n" in everything


def test_a_create_of_an_inactive_user_says_so(usersyncd: Usersyncd, company: Company) -> None:
    company.edit_row("u-0050", lambda row: row.replace(",true,", ",false,"))
    out = usersyncd("plan", "--all").out
    [created] = re.findall(r"    \+ Mafalda Brandão \(u-0050\)\n((?: {8}.*\n)+)", out)
    assert "active            false\n" in created
    assert "active            true" not in out


def test_the_exit_code_tells_whether_changes_are_waiting(usersyncd: Usersyncd, company: Company) -> None:
    assert usersyncd("plan", "--exit-code").code == 4
    assert usersyncd("sync").code == 0
    ran = usersyncd("plan", "--exit-code")
    assert ran.code == 0
    assert "target app: nothing to change" in ran.out


def test_quiet_shows_only_what_needs_attention(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + RULED)
    for command in ("plan", "sync"):
        assert usersyncd(command, "--quiet") == (0, "", "")
    company.edit_row("u-0042", lambda row: row.replace("thihuong.pham@", "sakura.igarashi@"))
    for command, code in (("plan", 0), ("sync", 1)):
        ran = usersyncd(command, "-q")
        assert ran.code == code
        assert "its email 'sakura.igarashi@acme.example' belongs to user u-0041" in ran.out
    company.keep("users.csv", 100)
    company.keep("members.csv", 0)
    assert usersyncd("sync", "-q").code == 3
    assert "would be held" in usersyncd("plan", "-q").out


def test_verbose_logs_each_step(usersyncd: Usersyncd, company: Company) -> None:
    assert usersyncd("sync").err == ""
    ran = usersyncd("sync", "--verbose")
    assert json.loads(ran.err.splitlines()[-1])["status"] == "succeeded"
    assert ran.out.startswith("acme (csv)  succeeded\n")


def test_an_update_shows_what_differs_and_only_that(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    company.edit_row("u-0034", lambda row: row.replace("wolf.", "w."))
    company.edit_row("u-0050", lambda row: row.replace(",true,", ",false,"))
    company.edit("members.csv", lambda text: text.replace("g-0003,u-0034,user\n", ""))
    out = usersyncd("plan").out
    assert (
        "    1 user to update:\n"
        "    ~ Wolfeschlegel-Alexander Hausenbergerdorff-Steinhagen zu Oberwaldenburg (u-0034)\n"
        "        email    wolf.hausenbergerdorff@acme.example → w.hausenbergerdorff@acme.example\n"
        "        userName wolf.hausenbergerdorff → w.hausenbergerdorff\n"
        "\n"
    ) in out
    assert "    1 user to deactivate:\n    - Mafalda Brandão (u-0050)\n" in out
    assert "    - 1 from platform (g-0003): Wolfeschlegel-Alexander Hausenbergerdorff-Steinhagen" in out
    assert "1 user updated:" in usersyncd("sync", "--changes").out
    assert company.sql("SELECT email FROM users WHERE id = 'u-0034'") == [("w.hausenbergerdorff@acme.example",)]
    assert company.sql("SELECT active FROM users WHERE id = 'u-0050'") == [(0,)]


def test_a_column_taken_out_of_the_rules_is_not_shown_as_emptied(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + RULED)
    usersyncd("sync")
    company.configure(DIRECTORY + RULED.replace(", name: user.displayName", ""))
    out = usersyncd("plan").out
    assert "users to update:" in out
    assert "→ –" not in out


def test_a_sync_names_deleted_users(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + RULED.replace("    users:", "    leavers: {delete_after: now}\n    users:"))
    usersyncd("sync")
    company.edit_row("u-0042", lambda _: "")
    out = usersyncd("sync", "--changes").out
    assert "- Phạm Thị Hương (u-0042, in the target thihuong.pham@acme.example)" in out


def test_names_are_text_and_move_no_cursor(usersyncd: Usersyncd, company: Company) -> None:
    company.edit_row("u-0001", lambda row: row.replace("Marguerite Oyelaran", "[red]:boom: \x1b[2J\u202eMarguerite"))
    out = usersyncd("plan").out
    assert r"    + [red]:boom: \x1b[2J\u202eMarguerite-Lindqvist (u-0001)" in out


def test_failed_and_left_out_records_are_named_with_the_place_of_the_rule(
    usersyncd: Usersyncd, company: Company
) -> None:
    company.configure(DIRECTORY + RULED)
    usersyncd("sync")
    company.edit_row("u-0042", lambda row: row.replace("thihuong.pham@", "sakura.igarashi@"))
    company.edit_row("u-0050", lambda row: row.replace(",Employee,", ",Intern,"))
    ran = usersyncd("plan")
    assert ran.code == 0
    assert (
        "  1 record failed, and will be tried again:\n"
        "    user Phạm Thị Hương (u-0042): its email 'sakura.igarashi@acme.example' belongs to user u-0041 of acme "
        "already\n"
        "      → correct one of the two in the directory\n"
        "  left out by users.where (usersyncd.yaml:10):\n"
        "    user Mafalda Brandão (u-0050)\n"
    ) in ran.out
    assert "- Mafalda Brandão (u-0050, in the target mafalda.brandao@acme.example)" in ran.out
    ran = usersyncd("sync")
    assert ran.code == 1
    assert "acme (csv)  partial\n" in ran.out
    assert json.loads(ran.err)["status"] == "partial"


def test_members_that_the_directory_does_not_list_are_named(usersyncd: Usersyncd, company: Company) -> None:
    company.edit_row("u-0051", lambda row: "")
    out = usersyncd("plan").out
    assert (
        "  1 member of groups not found in the directory:\n"
        "    group web (g-0004): this directory does not list its member user:u-0051\n"
    ) in out


def test_the_same_plan_has_the_same_hash_and_sync_delivers_it(usersyncd: Usersyncd, company: Company) -> None:
    planned = [json.loads(usersyncd("plan", "--json").out) for _ in range(2)]
    ran = usersyncd("sync", "acme", "--changes", "--json")
    synced = json.loads(ran.out)
    assert planned[0]["plan"] == planned[1]["plan"] == synced["plan"]
    assert [json.loads(line)["event"] for line in ran.err.splitlines()] == [
        "read 249 users, 20 groups, 303 memberships",
        "acme: 249 users created, 20 groups created, 783 memberships added",
    ]
    (target,), (other,) = planned[0]["directories"][0]["targets"], synced["directories"][0]["targets"]
    assert target["counts"] == other["counts"]
    assert without_target_ids(target["changes"]) == without_target_ids(other["changes"])
    empty = json.loads(usersyncd("sync", "--json").out)
    assert empty["plan"] != synced["plan"]
    assert "changes" not in empty["directories"][0]["targets"][0]


def test_a_directory_that_is_not_configured_is_an_error_with_the_nearest(
    usersyncd: Usersyncd, company: Company
) -> None:
    for command in ("plan", "sync"):
        ran = usersyncd(command, "acme", "akme")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("there is no directory “akme” in usersyncd.yaml: did you mean acme?\n  → ")
    assert not (company.folder / "usersyncd.db").exists()


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_a_failed_directory_does_not_stop_the_others(usersyncd: Usersyncd, company: Company, command: str) -> None:
    broken = "  aaa: {connector: csv, options: {users: acme/nowhere.csv}}\n"
    company.configure(DIRECTORY + broken + TARGET)
    ran = usersyncd(command, "aaa", "acme")
    assert ran.code == 1
    assert re.search(r"^aaa \(csv\)  failed\n  \S+/acme/nowhere.csv: No such file.*\n    → ", ran.out)
    assert f"acme (csv)  {'planned' if command == 'plan' else 'succeeded'}\n" in ran.out
    ran = usersyncd(command, "--json")
    assert ran.code == 1
    found = {one["directory"]: one for one in json.loads(ran.out)["directories"]}
    assert found["aaa"]["status"] == "failed"
    assert "nowhere.csv: No such file" in found["aaa"]["error"]
    assert (found["aaa"]["plan"], found["aaa"]["pull"], found["acme"]["error"]) == (None, None, None)


def test_a_directory_that_another_process_runs_is_not_run(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + "  desk: {connector: csv, options: {users: acme/users.csv}}\n" + TARGET)
    database = open_database(f"sqlite:///{company.folder}/usersyncd.db")
    with lock.locked(database, lock.DIRECTORY, "acme"):
        ran = usersyncd("sync", "--json")
        text = usersyncd("sync").out
    database.close()
    assert ran.code == 1
    acme, desk = json.loads(ran.out)["directories"]
    assert (acme["status"], acme["run"], desk["status"]) == ("failed", None, "succeeded")
    assert acme["error"].startswith("acme: another pull of this directory is under way\n  → wait for it to end")
    assert text.startswith("acme (csv)  failed\n  acme: another pull of this directory is under way\n    → wait")
