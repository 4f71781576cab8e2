"""``sync --exceed`` delivers a held plan if its harmful changes are exactly those that a person saw."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd

COMMAND = re.compile(r"^ +usersyncd (sync acme --exceed [0-9a-f]{12})$", re.MULTILINE)
NOTHING = "deadbeef"


@pytest.fixture
def held(usersyncd: Usersyncd, company: Company) -> str:
    """Half of the company has left. Returns what the command shows."""
    assert usersyncd("sync").code == 0
    company.keep("users.csv", 120)
    ran = usersyncd("sync")
    assert ran.code == 3
    return ran.out


def shown(text: str) -> list[str]:
    """The arguments of the command that a text shows."""
    found = COMMAND.search(text)
    assert found is not None, text
    return found[1].split()


def target(ran: Any) -> Any:
    return json.loads(ran.out)["directories"][0]["targets"][0]


def test_plan_and_sync_show_the_command_that_consents(usersyncd: Usersyncd, held: str) -> None:
    ran = usersyncd("plan")
    assert ran.code == 3
    assert shown(ran.out) == shown(held)
    assert "If it is, deliver exactly these changes:\n" in ran.out
    ran = usersyncd(*shown(held))
    assert ran.code == 0
    assert re.search(r"\n  delivered by consent, over these limits:\n  deactivations: \d+% .*, allowed 10%\n", ran.out)
    assert "target app: changed" in ran.out


def test_the_whole_hash_is_in_the_document_and_may_be_given(usersyncd: Usersyncd, held: str) -> None:
    ran = usersyncd("plan", "--json")
    harm = target(ran)["harm"]
    assert harm.startswith(f"sha256:{shown(held)[-1]}")
    ran = usersyncd("sync", "--exceed", NOTHING, "--exceed", harm.upper().replace("SHA", "sha"), "--json")
    assert (target(ran)["held"], target(ran)["harm"]) == (False, harm)
    assert target(ran)["guard"][0]["limit"] == "deactivations"


def test_other_changes_stay_held(usersyncd: Usersyncd, company: Company, held: str) -> None:
    company.keep("users.csv", 119)
    ran = usersyncd(*shown(held))
    assert ran.code == 3
    assert "target app: held, nothing was delivered" in ran.out
    assert (
        f"--exceed {shown(held)[-1]}: the harmful changes of what is held are others\n"
        "  → look at them again with `usersyncd plan acme`, and give the hash that it shows\n"
    ) in ran.err
    assert shown(ran.out) != shown(held)


def test_a_hash_that_fits_nothing_is_an_error_after_everything_is_done(usersyncd: Usersyncd, company: Company) -> None:
    ran = usersyncd("sync", "--exceed", NOTHING)
    assert ran.code == 2
    assert "target app: changed" in ran.out
    assert "--exceed deadbeef: no plan has these harmful changes, and nothing is held\n  → " in ran.err


def test_a_failure_is_told_by_the_exit_code_first(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY.replace("users.csv", "nobody.csv") + TARGET)
    ran = usersyncd("sync", "--exceed", NOTHING)
    assert ran.code == 1
    assert "--exceed deadbeef" in ran.err


@pytest.mark.parametrize("given", ["", "all", "dead", "sha256:dead", "g" * 12, "a" * 65, "sha1:" + "a" * 12])
def test_what_is_no_hash_is_refused_before_anything_is_done(usersyncd: Usersyncd, company: Company, given: str) -> None:
    ran = usersyncd("sync", "--exceed", given)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"--exceed {given}: this is no hash of harmful changes\n  → ")
    assert not (company.folder / "app.db").exists()


def test_the_runs_of_a_consent_are_told_later(usersyncd: Usersyncd, held: str) -> None:
    usersyncd(*shown(held))
    (run, *_) = json.loads(usersyncd("history", "--json").out)
    assert "delivered by consent, over these limits:\n  deactivations: " in usersyncd("show", run["run"]).out
