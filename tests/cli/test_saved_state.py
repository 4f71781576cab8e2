"""``status``, ``history`` and ``show`` report on runs, also while one is running; they change nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from tests.cli.company import DIRECTORY, TARGET, Company
from tests.cli.running import Usersyncd
from usersyncd.core.report import PullRun, RunReport
from usersyncd.state import journal, lock, quarantine
from usersyncd.state.database import open_database


def test_before_the_first_run_the_commands_say_so_and_create_no_file(usersyncd: Usersyncd, company: Company) -> None:
    ran = usersyncd("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].split() == ["acme", "never", "run", "–", "–", "–", "0", "0", "0"]
    assert json.loads(usersyncd("status", "--json").out) == {
        "format": 1,
        "directories": [
            {
                "directory": "acme", "connector": "csv", "last_run": None, "last_success": None, "last_delivery": None,
                "next_run": None, "late": True,
                "status": None, "failed_part": None, "users": 0, "groups": 0, "memberships": 0, "held": None,
                "guard": [],
                "harms": [],
                "failures": 0, "failed": [], "error": None, "message": None, "remedy": None, "code": None, "run": None,
                "decisions": [], "leaving": [], "tokens": {}, "full_push": None,
            }
        ],
        "targets": [
            {
                "target": "app", "connector": "sql",
                "guard": {
                    "deletes": "10%", "deactivations": "10%", "member_removals": "30%", "adoptions": "10%",
                    "reactivations": "10%", "updates": None, "blanked": "30%", "emptied": "10%", "at_least": 10,
                    "window": 86400,
                },
                "next_due": None, "quarantine": None,
            }
        ],
        "stopped_endpoints": [],
        "failing_endpoints": [],
        "unopened_secrets": [],
        "silent_web_service": None,
    }  # fmt: skip
    assert usersyncd("history").out == "There was no run yet.\n"
    assert usersyncd("history", "--json").out == "[]\n"
    ran = usersyncd("show", "01M")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "there is no run 01M")
    assert not (company.folder / "usersyncd.db").exists()


def test_status_shows_the_last_run_and_computes_the_next(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY.replace("connector: csv", "connector: csv\n    every: 2h") + TARGET)
    usersyncd("sync")
    company.edit_row("u-0060", lambda row: row.replace(",", "", 1))
    usersyncd("sync")
    (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
    failed, delivered, succeeded = json.loads(usersyncd("history", "--json").out)
    assert [run["kind"] for run in (failed, delivered, succeeded)] == ["pull", "delivery", "pull"]
    assert (found["status"], found["last_run"], found["last_success"]) == (
        "failed", failed["started"], succeeded["started"]
    )  # fmt: skip
    assert datetime.fromisoformat(found["next_run"]) - datetime.fromisoformat(found["last_run"]) == timedelta(hours=2)
    assert (found["users"], found["groups"], found["memberships"]) == (249, 20, 303)
    assert "users.csv:61" in found["error"]
    out = usersyncd("status").out
    assert "in 1 h" in out
    assert "\nacme:\n  " in out
    assert "users.csv:61" in out


def test_status_does_not_show_a_future_time_as_past(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    with closing(sqlite3.connect(company.folder / "usersyncd.db")) as state, state:
        state.execute("UPDATE runs SET started = '2999-01-01T00:00:00+00:00', finished = started")
        state.execute("UPDATE runs SET report = json_set(report, '$.started', started)")
    assert re.search(r" 3\d{5} d ahead ", usersyncd("status").out)
    assert usersyncd("status", "--exit-code").code == 1, "nobody knows when it ran last"
    (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
    assert (found["last_success"], found["last_delivery"]) == (None, None)
    assert datetime.fromisoformat(found["next_run"]) <= datetime.now(UTC) + timedelta(minutes=15)


def test_status_says_which_records_failed_and_that_the_rest_was_delivered(
    usersyncd: Usersyncd, company: Company
) -> None:
    """A record that is always refused must not look like a directory that is not delivered."""
    company.configure(DIRECTORY + TARGET + "    users: {key: email, set: {email: user.email}}\n")
    for id_ in ("u-0041", "u-0042"):
        company.edit_row(id_, lambda row: re.sub(r"[^,]*@acme.example", "same@acme.example", row))
    assert (usersyncd("sync").code, usersyncd("sync").code) == (1, 1)
    last, read, *_ = json.loads(usersyncd("history", "--json").out)
    (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
    assert (found["status"], found["error"], found["run"]) == ("partial", None, last["run"])
    assert (found["last_success"], found["last_delivery"]) == (None, read["started"])
    assert (found["failures"], [one["id"] for one in found["failed"]]) == (2, ["u-0041", "u-0042"])
    first = found["failed"][0]
    assert (first["target"], first["kind"]) == ("app", "user")
    assert first["message"].startswith("its email 'same@acme.example' is also that of user u-0042")
    out = usersyncd("status").out
    assert "  2 records failed, and will be tried again, the first:\n    app: user u-0041: its email 'same@" in out
    assert f"\n    → see all of them with `usersyncd show {last['run']}`\n" in out


def test_status_says_that_a_target_is_quarantined(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + TARGET)
    usersyncd("sync")
    with closing(open_database("sqlite:///usersyncd.db")) as database, database.write() as connection:
        [(number,)] = connection.exec_driver_sql("SELECT target FROM target_names WHERE name = 'app'")
        quarantine.begin(connection, number, "it refused 45 of 60 changes", datetime(2026, 3, 2, 12, tzinfo=UTC))
    out = usersyncd("status").out
    assert "app is quarantined since 2026-03-02" in out
    assert "it refused 45 of 60 changes; the next deliveries send 5 changes first" in out
    [target] = json.loads(usersyncd("status", "--json").out)["targets"]
    assert target["quarantine"]["reason"] == "it refused 45 of 60 changes"


def test_status_shows_the_guard_that_is_in_force(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + TARGET + "    guard: {deletes: 100%, updates: 500, emptied: unlimited, window: 6h}\n")
    assert usersyncd("status").out.endswith(
        "guard of app: deletes 100%, deactivations 10%, member_removals 30%, adoptions 10%, reactivations 10%, "
        "updates 500, blanked 30%, emptied unlimited; at_least 10 objects, window 6 h\n"
    )


@pytest.mark.parametrize(
    ("what", "code"),
    [("never ran", 1), ("succeeded", 0), ("a pull failed", 1), ("a record failed", 1), ("held", 3), ("late", 1)],
)
def test_the_exit_code_of_status_is_for_monitoring(
    usersyncd: Usersyncd, company: Company, what: str, code: int
) -> None:
    if what != "never ran":
        usersyncd("sync")
    match what:
        case "a pull failed":
            (company.folder / "acme" / "users.csv").unlink()
        case "a record failed":
            company.configure(DIRECTORY + TARGET + "    users: {key: id, set: {id: 'int(user.title)'}}\n")
        case "held":
            company.keep("users.csv", 120)
            company.keep("members.csv", 0)
    if what != "never ran":
        usersyncd("sync")
    if what == "late":
        began = (datetime.now(UTC) - timedelta(minutes=31)).isoformat()
        with closing(sqlite3.connect(company.folder / "usersyncd.db")) as state, state:
            state.execute("UPDATE runs SET report = json_set(report, '$.started', ?)", [began])
    assert usersyncd("status", "--exit-code").code == code
    assert ("no run began for two intervals" in usersyncd("status").out) is (what == "late")
    assert usersyncd("status").code == 0


def test_an_error_has_a_message_and_a_remedy(usersyncd: Usersyncd, company: Company) -> None:
    (company.folder / "acme" / "users.csv").unlink()
    (run,) = json.loads(usersyncd("sync", "--json").out)["directories"]
    assert "\n" not in run["message"]
    assert run["error"] == f"{run['message']}\n  → {run['remedy']}"
    (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
    assert {name: found[name] for name in ("error", "message", "remedy")} == {
        name: run[name] for name in ("error", "message", "remedy")
    }


def test_history_leaves_out_runs_that_changed_nothing(usersyncd: Usersyncd, company: Company) -> None:
    company.keep("users.csv", 0)
    company.keep("groups.csv", 0)
    company.keep("members.csv", 0)
    usersyncd("sync")
    assert usersyncd("history", "--changes").out == "No run has changed anything yet.\n"
    company.edit("users.csv", lambda text: text + "u-1" + "," * text.count(",") + "\n")
    usersyncd("sync")
    usersyncd("sync")
    runs = json.loads(usersyncd("history", "--json").out)
    assert json.loads(usersyncd("history", "--changes", "--limit", "1", "--json").out) == [runs[2]]


def test_an_unknown_directory_is_an_error(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    ran = usersyncd("history", "--directory", "akme")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("there is no directory “akme” in usersyncd.yaml: did you mean acme?\n  → ")
    company.configure(DIRECTORY.replace("acme:", "other:") + TARGET)
    assert " acme " in usersyncd("history", "--directory", "acme").out
    assert usersyncd("history", "--directory", "other").out == "There was no run yet.\n"


def test_a_running_run_differs_from_a_killed_one(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    database = open_database(f"sqlite:///{company.folder}/usersyncd.db")
    started = datetime.now().astimezone().isoformat()
    with lock.locked(database, lock.DIRECTORY, "acme"):
        journal.begin(database, RunReport("acme", "csv", "7ZZZZZZZZZ", "failed", started))
        (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
        assert (found["status"], found["last_run"], found["error"]) == ("running", started, None)
        assert usersyncd("status").out.splitlines()[1].split()[1] == "running"
        assert json.loads(usersyncd("history", "--json").out)[0]["status"] == "running"
        assert " running" in usersyncd("history").out.splitlines()[1]
        assert usersyncd("show", "7zzz").out.splitlines()[1] == "acme (csv)  running"
    database.close()
    (found,) = json.loads(usersyncd("status", "--json").out)["directories"]
    assert found["status"] == "failed"
    assert found["error"].startswith("it was interrupted")
    assert usersyncd("sync").code == 0
    assert [run["status"] for run in json.loads(usersyncd("history", "--json").out)].count("running") == 0


def test_a_run_that_ends_while_it_is_looked_at_was_not_interrupted(
    usersyncd: Usersyncd, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was read before it ended, and its lock is looked at afterwards."""
    usersyncd("sync")
    database = open_database(f"sqlite:///{company.folder}/usersyncd.db")
    pull = PullRun("acme", "csv", "7ZZZZZZZZZ", "failed", datetime.now().astimezone().isoformat())

    def ends(*_: object) -> bool:
        journal.finish(database, structs.replace(pull, status="succeeded", finished=pull.started))
        return False

    monkeypatch.setattr("usersyncd.cli.saved_state.is_locked", ends)
    for command in ("status", "history"):
        journal.discard(database, pull)
        journal.begin(database, pull)
        shown = json.loads(usersyncd(command, "--json").out)
        found = shown["directories"][0] if command == "status" else shown[0]
        assert (found["status"], found["error"]) == ("succeeded", None)
    database.close()


def test_history_is_newest_first_and_can_be_narrowed(usersyncd: Usersyncd, company: Company) -> None:
    company.configure(DIRECTORY + "  desk: {connector: csv, options: {users: acme/users.csv}}\n" + TARGET)
    usersyncd("sync")
    usersyncd("sync", "desk")
    runs = json.loads(usersyncd("history", "--json").out)
    of = [(run["kind"], run.get("target") or run["directory"]) for run in runs]
    assert of == [("delivery", "app"), ("pull", "desk"), ("delivery", "app"), ("pull", "desk"), ("pull", "acme")]
    assert runs == sorted(runs, key=lambda run: str(run["run"]), reverse=True)
    assert [share["directory"] for share in runs[2]["targets"]] == ["acme", "desk"]
    assert [share["counts"]["users"]["create"] for share in runs[2]["targets"]] == [249, 249]
    assert json.loads(usersyncd("history", "--json", "--limit", "1").out) == runs[:1]
    assert json.loads(usersyncd("history", "--json", "--directory", "acme").out) == [runs[2], runs[4]]
    lines = usersyncd("history", "--limit", "2").out.splitlines()
    assert len(lines) == 3
    assert " deliver app " in lines[1]
    assert "desk: nothing to change" in lines[1]
    assert " pull desk " in lines[2]
    ids = [line.split()[0] for line in lines[1:]]
    assert len(set(ids)) == 2
    assert all(run["run"].startswith(id_) for run, id_ in zip(runs, ids, strict=False))


def test_show_has_every_change_of_a_run_by_the_beginning_of_its_id(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    company.edit_row("u-0034", lambda row: row.replace("wolf.", "w."))
    usersyncd("sync")
    second, first = (run["run"] for run in json.loads(usersyncd("history", "--changes", "--json").out))
    shown = json.loads(usersyncd("show", first, "--json").out)
    (target,) = shown["targets"]
    assert (shown["format"], shown["run"], len(target["changes"])) == (1, first, target["entries"])
    ids = [run["run"] for run in json.loads(usersyncd("history", "--json").out) if run["run"] != second]
    beginning = next(
        second[:length] for length in range(1, 27) if not any(id_.startswith(second[:length]) for id_ in ids)
    )
    ran = usersyncd("show", beginning.lower())
    assert ran.code == 0
    assert ran.out.startswith(f"run {second}, began ")
    assert "        email    wolf.hausenbergerdorff@acme.example → w.hausenbergerdorff@acme.example\n" in ran.out
    ran = usersyncd("show", "0")
    assert ran.code == 1
    assert ran.err.startswith("several runs have an id that begins with 0:\n")
    assert ids[-1] in ran.err


def test_show_has_ids_if_the_configuration_has_faults(usersyncd: Usersyncd, company: Company) -> None:
    usersyncd("sync")
    company.configure(DIRECTORY + TARGET + "    users: {where: user.emial != null}\n")
    [delivered] = json.loads(usersyncd("history", "--changes", "--json").out)
    assert "    + u-0001\n" in usersyncd("show", delivered["run"]).out
