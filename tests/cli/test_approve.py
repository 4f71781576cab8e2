"""``approve`` lets exactly the held changes through, ``reject`` leaves them out; both show them and ask."""

from __future__ import annotations

import io
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ran, Usersyncd
from usersyncd.core.approvals import digits

ONE = """\
directories: {hr: {connector: csv, options: {users: hr.csv}}}
targets: {app: {connector: sql, options: {url: sqlite:///app.db, create_tables: true}}}
"""
TWO = (
    ONE.rstrip().removesuffix("}") + ", crm: {connector: sql, options: {url: sqlite:///crm.db, create_tables: true}}}\n"
)
COMMAND = re.compile(r"^ +usersyncd (approve [0-9a-f]{12})$", re.MULTILINE)


class Terminal(io.StringIO):
    """A terminal at which a person types this text."""

    def isatty(self) -> bool:
        return True


def configure(text: str) -> None:
    Path("usersyncd.yaml").write_text("state: sqlite:///state.db\n" + text, encoding="utf-8")


def people(number: int, name: str = "hr") -> None:
    rows = "".join(f"u{one:02},u{one:02}@acme.example\n" for one in range(number))
    Path(f"{name}.csv").write_text(f"id,email\n{rows}", encoding="utf-8")


def hold(usersyncd: Usersyncd, text: str = ONE) -> Ran:
    """Let twelve of twenty people leave, and return the run that is held."""
    configure(text)
    people(20)
    assert usersyncd("sync").code == 0
    people(8)
    ran = usersyncd("sync")
    assert ran.code == 3
    return ran


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann runs every command."""
    monkeypatch.setattr("usersyncd.cli.real_user.person_of", lambda *_: "ann")


@pytest.fixture
def held(usersyncd: Usersyncd) -> Ran:
    return hold(usersyncd)


def shown(text: str) -> list[str]:
    """Return the arguments of the command that a text shows."""
    found = COMMAND.search(text)
    assert found is not None, text
    return found[1].split()


def active(database: str = "app") -> int:
    with sqlite3.connect(f"{database}.db") as target:
        [(count,)] = target.execute("SELECT count(*) FROM users WHERE active")
    return int(count)


def hashes(usersyncd: Usersyncd) -> list[str]:
    return [one["hash"] for one in json.loads(usersyncd("approve", "--json").out)["held"]]


def standing(usersyncd: Usersyncd) -> Any:
    return json.loads(usersyncd("status", "--json").out)["directories"][0]


# ---- approving


def test_plan_sync_and_status_name_the_approve_command(usersyncd: Usersyncd, held: Ran) -> None:
    command = shown(held.out)
    assert (
        "    → If this is not expected, fix the directory or the rules; the next run makes a new plan. If it is, "
        "approve it:\n"
    ) in held.out
    assert shown(usersyncd("plan").out) == command
    assert shown(usersyncd("status").out) == command
    assert standing(usersyncd)["harms"][0]["command"] == f"usersyncd {' '.join(command)}"
    assert "12 harmful changes of hr in app, held since 20" in usersyncd("approve").out
    assert f"  → `usersyncd {' '.join(command)}` shows them and asks\n" in usersyncd("approve").out
    log = usersyncd("sync", "--json").err
    assert f"allowed 10% (`usersyncd {' '.join(command)}`)" in json.loads(log.splitlines()[-1])["event"]


def test_approve_shows_the_changes_asks_and_stores_the_reason(
    usersyncd: Usersyncd, held: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\nthe plant closed\n"))
    ran = usersyncd(*shown(held.out))
    assert ran.code == 0
    assert "12 users to deactivate:\n  - u08@acme.example (u08)\n" in ran.out
    assert "Approve 12 harmful changes of hr in app? [y/N]:" in ran.err
    assert "12 harmful changes of hr in app: approved by ann on 20" in ran.out
    assert "(the plant closed). The next run delivers them, if it begins before 20" in ran.out
    assert active() == 20
    out = usersyncd("status").out
    assert "  app: 12 changes approved by ann, until 20" in out
    assert COMMAND.search(out) is None
    ran = usersyncd("sync")
    assert ran.code == 0
    assert "  12 changes approved by ann: the plant closed\n" in ran.out
    assert active() == 8
    (run, *_) = json.loads(usersyncd("history", "--json").out)
    [approval] = run["targets"][0]["approved"]
    assert (approval["by"], approval["reason"], approval["changes"]) == ("ann", "the plant closed", 12)
    assert usersyncd("approve").out == "Nothing is held.\n"


def test_the_answer_no_changes_nothing(usersyncd: Usersyncd, held: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert usersyncd("approve", "hr").code == 1
    assert usersyncd("sync").code == 3


@pytest.mark.parametrize("name", ["approve", "reject"])
def test_without_a_terminal_nobody_is_asked(usersyncd: Usersyncd, held: Ran, name: str) -> None:
    ran = usersyncd(name, "hr")
    assert (ran.code, ran.out) == (2, "")
    assert (
        ran.err == f"`usersyncd {name} hr` asks before it decides, and there is no terminal to answer\n  → add --yes\n"
    )
    ran = usersyncd(name, "hr", "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("--json prints the changes and does not ask\n  → add --yes to decide")
    assert usersyncd("sync").code == 3


@pytest.mark.parametrize("what", ["hr", "app", "HASH", "DIGITS"])
def test_held_changes_are_named_by_directory_target_or_hash(usersyncd: Usersyncd, held: Ran, what: str) -> None:
    [whole] = hashes(usersyncd)
    given = {"HASH": whole.upper(), "DIGITS": digits(whole)[:8]}.get(what, what)
    ran = usersyncd("approve", given, "--yes")
    assert ran.code == 0, ran.err
    assert usersyncd("sync").code == 0
    assert active() == 8


def test_the_json_document_lists_what_was_approved(usersyncd: Usersyncd, held: Ran) -> None:
    document = json.loads(usersyncd("approve", "hr", "--yes", "--reason", "plant", "--json").out)
    assert document["format"] == 1
    [one] = document["held"]
    assert (one["directory"], one["target"], one["first_delivery"], one["harmful"]) == ("hr", "app", False, 12)
    assert [change["op"] for change in one["changes"]] == ["deactivate"] * 12
    made = one["decision"]
    assert (made["decision"], made["by"], made["reason"]) == ("approved", "ann", "plant")
    assert made["until"] > made["at"]


def test_approved_twice_changes_nothing(usersyncd: Usersyncd, held: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    usersyncd("approve", "hr", "--yes")
    monkeypatch.setattr("usersyncd.cli.real_user.person_of", lambda *_: "bob")
    ran = usersyncd("approve", "hr", "--yes")
    assert ran.code == 0
    assert re.search(
        r"^12 harmful changes of hr in app: already approved by ann on .*\. Nothing was changed.\n$", ran.out
    )
    assert [one["by"] for one in standing(usersyncd)["decisions"]] == ["ann"]


def test_two_targets_of_a_directory_are_approved_together_or_alone(usersyncd: Usersyncd) -> None:
    hold(usersyncd, TWO)
    assert usersyncd("approve", "crm", "--yes").code == 0
    assert usersyncd("sync").code == 3
    assert (active("app"), active("crm")) == (20, 8)
    people(6)
    usersyncd("sync")
    assert usersyncd("approve", "hr", "--yes").code == 0
    assert usersyncd("sync").code == 0
    assert (active("app"), active("crm")) == (6, 6)


def test_approve_fails_after_another_decision_during_the_question(
    usersyncd: Usersyncd, held: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(*_: Any, **__: Any) -> bool:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: "")
        with sqlite3.connect("state.db") as state:
            state.execute(
                "INSERT INTO decisions SELECT target, directory, 9, 0, 'bob', since, NULL, hash, 12 FROM held"
            )
            state.execute(
                'INSERT INTO decided SELECT target, directory, 1, \'["user","u08","deactivate"]\', 9 FROM held'
            )
        return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("typer.confirm", decide)
    ran = usersyncd("approve", "hr")
    assert ran.code == 1
    assert (
        ran.err
        == "somebody else has just decided about changes of hr in app\n  → see the decision with `usersyncd status`\n"
    )


# ---- what cannot be approved


def test_approve_without_held_changes_says_so(usersyncd: Usersyncd) -> None:
    configure(ONE)
    for what in ("hr", "app"):
        ran = usersyncd("approve", what, "--yes")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"no changes of {what} are held\n  → `usersyncd approve` lists what is held\n"
    assert usersyncd("approve").out == "Nothing is held.\n"
    assert json.loads(usersyncd("reject", "--json").out) == {"format": 1, "held": []}


@pytest.mark.parametrize(("what", "code", "says"), [
    ("hrr", 2, "hrr is neither a directory, nor a target, nor a hash: did you mean hr?\n  → `usersyncd approve` lists"),
    ("deadbee", 2, "deadbee is too short for a hash\n  → give at least 8 digits"),
    ("sha256:deadbeef", 1, "no held changes have the hash deadbeef: they were delivered, or the plan has changed\n"),
])  # fmt: skip
def test_a_name_without_held_changes_is_refused(
    usersyncd: Usersyncd, held: Ran, what: str, code: int, says: str
) -> None:
    ran = usersyncd("approve", what, "--yes")
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith(says)


def test_digits_of_several_hashes_are_refused(usersyncd: Usersyncd) -> None:
    hold(usersyncd, TWO)
    with sqlite3.connect("state.db") as state:
        state.execute("UPDATE held SET hash = 'sha256:abcdef12' || target")
    ran = usersyncd("approve", "abcdef12", "--yes")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("several held plans have a hash that begins with abcdef12: abcdef121 (hr in app), ")
    assert usersyncd("approve", "abcdef122", "--yes").code == 0


def test_a_name_of_a_directory_and_of_another_target_is_refused(usersyncd: Usersyncd) -> None:
    lab = "directories: {lab: {connector: csv, options: {users: hr.csv}}, hr:"
    hold(usersyncd, TWO.replace("crm: {", "hr: {").replace("directories: {hr:", lab))
    ran = usersyncd("approve", "hr", "--yes")
    assert ran.code == 1
    assert ran.err.startswith("hr is the name of a directory and of a target, and changes of both are held\n  → give a")


def test_changes_that_only_a_plan_showed_cannot_be_approved(usersyncd: Usersyncd) -> None:
    configure(ONE)
    people(20)
    assert usersyncd("sync").code == 0
    people(8)
    ran = usersyncd(*shown(usersyncd("plan").out), "--yes")
    assert ran.code == 1
    assert "a hash that only `usersyncd plan` showed can be approved after `usersyncd sync` held the plan" in ran.err


def test_a_restored_state_lacks_later_approvals(usersyncd: Usersyncd, held: Ran) -> None:
    with sqlite3.connect("state.db") as state, sqlite3.connect("backup.db") as backup:
        state.backup(backup)
    usersyncd("approve", "hr", "--yes")
    with sqlite3.connect("backup.db") as backup, sqlite3.connect("state.db") as state:
        backup.backup(state)
    assert usersyncd("sync").code == 3
    assert active() == 20


# ---- rejecting


def test_rejected_changes_stay_out_and_are_named(usersyncd: Usersyncd, held: Ran) -> None:
    ran = usersyncd("reject", "hr", "--yes", "--reason", "a wrong export")
    assert ran.code == 0
    assert "rejected by ann on 20" in ran.out
    assert "The next run leaves these changes out and delivers the rest of the plan; `usersyncd sync hr`" in ran.out
    people(7)
    Path("hr.csv").write_text(Path("hr.csv").read_text() + "new,new@acme.example\n")
    ran = usersyncd("sync")
    assert ran.code == 0
    assert "  12 changes left out because they were rejected\n" in ran.out
    assert re.search(
        r"\n  rejected by ann on 20\d\d-\d\d-\d\d: deactivate:\n    user u08@acme.example \(u08\)\n", ran.out
    )
    assert active() == 20
    out = usersyncd("status").out
    assert re.search(r"\n  app: 12 changes rejected by ann on .* \(a wrong export\):\n    deactivate user u08\n", out)
    assert "    … and 2 more\n" in out
    [made] = standing(usersyncd)["decisions"]
    assert (made["decision"], made["count"], made["until"]) == ("rejected", 12, None)
    assert made["changes"][0] == {
        "op": "deactivate", "kind": "user", "id": "u08", "member": None, "attribute": None, "object": None,
    }  # fmt: skip


def test_a_rejection_can_be_undone(usersyncd: Usersyncd, held: Ran) -> None:
    assert usersyncd("reject", "hr", "--yes").code == 0
    assert usersyncd("sync").code == 0
    ran = usersyncd("reject", "hr", "--undo")
    assert ran.out == "12 rejections of hr in app ended. The next run plans these changes again.\n"
    assert standing(usersyncd)["decisions"] == []
    assert usersyncd("sync").code == 3
    ran = usersyncd("reject", "hr", "--undo")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "no rejected changes of hr are known")
    assert usersyncd("reject", "--undo").code == 2


def test_changes_that_are_no_longer_held_are_not_approved(usersyncd: Usersyncd, held: Ran) -> None:
    """The directory was whole again while the question waited for its answer."""
    people(20)
    assert usersyncd("sync").code == 0
    ran = usersyncd("approve", "hr", "--yes")
    assert (ran.code, "no changes of hr are held" in ran.err) == (1, True)


def test_an_answer_that_comes_too_late_decides_nothing(
    usersyncd: Usersyncd, held: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is whole again, and was delivered, before the person answers."""

    def answer(*_: Any, **__: Any) -> bool:
        people(20)
        assert usersyncd("sync").code == 0
        return True

    monkeypatch.setattr("typer.confirm", answer)
    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    ran = usersyncd("approve", "hr", "--reason", "x")
    assert (ran.code, "is no longer held: the plan has changed" in ran.err) == (1, True)
    people(8)
    assert usersyncd("sync").code == 3


def test_what_is_held_of_a_former_database_is_not_offered(usersyncd: Usersyncd, held: Ran) -> None:
    configure(ONE.replace("app.db", "test.db"))
    people(20)
    assert usersyncd("sync").code == 0
    people(8)
    assert usersyncd("sync").code == 3
    [one] = json.loads(usersyncd("approve", "--json").out)["held"]
    assert usersyncd("approve", digits(one["hash"]), "--yes").code == 0
    configure(ONE)
    assert usersyncd("sync").code == 3
    assert active() == 20


def test_a_first_delivery_is_approved_or_stays_held(usersyncd: Usersyncd) -> None:
    configure(ONE.replace("{connector: csv,", "{connector: csv, deliver: after_approval,"))
    people(3)
    ran = usersyncd("sync")
    assert ran.code == 3
    assert "  first_delivery: 3 changes, allowed after approval\n" in ran.out
    ran = usersyncd("reject", "hr", "--yes")
    assert ran.code == 1
    assert ran.err.startswith("the first delivery of hr in app is held until it is approved\n  → correct the directory")
    ran = usersyncd("approve", "hr", "--yes")
    assert "3 users to create:\n" in ran.out
    assert "the first delivery of hr in app: approved by ann" in ran.out
    assert usersyncd("sync").code == 0
    assert active() == 3
