"""``usersyncd expect``: what a provider did not send again is listed, and leaves under the guard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd
from tests.push.operations import post, post_group, put
from usersyncd.config import load
from usersyncd.job import jobs
from usersyncd.opening import open_state
from usersyncd.push.commit import commit
from usersyncd.recording import now
from usersyncd.scim.store import Operation, StoredResource
from usersyncd.state.directories import open_directory

CONFIG = """\
state: sqlite:///state.db
web: {listen: "127.0.0.1:8470", url: "https://sync.acme.example"}
directories:
  acme: {connector: scim, options: {tokens: [{name: entra, secret: {env: ENTRA_TOKEN}}]}}
  hr: {connector: csv, options: {users: people.csv}}
targets:
  app: {connector: sql, directories: [acme], options: {url: "sqlite:///app.db", create_tables: true}}
"""


@pytest.fixture(autouse=True)
def config(usersyncd: Usersyncd, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("usersyncd.yaml").write_text(CONFIG)
    Path("people.csv").write_text("id,userName\n")
    monkeypatch.setenv("ENTRA_TOKEN", "x" * 40)


def push(*operations: Operation) -> list[str]:
    loaded = load(Path("usersyncd.yaml"))
    database = open_state(loaded)
    try:
        committed = commit(database, open_directory(database, "acme"), jobs(loaded)["acme"], operations, now())
    finally:
        database.close()
    return [outcome.id for outcome in committed.outcomes if isinstance(outcome, StoredResource)]


def test_what_was_not_sent_is_listed_and_leaves_under_the_guard(usersyncd: Usersyncd) -> None:
    ids = push(*(post(f"user{number:02}") for number in range(24)), post_group("club"))
    assert usersyncd("sync", "acme", "--quiet").code == 0
    ran = usersyncd("expect", "acme", "--full-push")
    assert (ran.code, ran.err) == (0, "")
    assert "Sent since: 0 users, 0 groups." in ran.out
    push(put(ids[0], "user00"))
    shown = usersyncd("expect", "acme").out
    assert "Sent since: 1 user, 0 groups.\n24 resources not sent:\n" in shown
    assert shown.endswith("  … and 4 more (--all lists them)\n")
    everything = usersyncd("expect", "acme", "--all").out
    assert f"  user user01 ({ids[1]})\n" in everything
    assert "more" not in everything
    document = json.loads(usersyncd("expect", "acme", "--json").out)
    assert document["seen"] == {"users": 1, "groups": 0}
    assert len(document["unseen"]) == 24
    assert {"kind": "user", "id": ids[1], "name": "user01"} in document["unseen"]

    refused = usersyncd("expect", "acme", "--end")
    assert refused.code == 2
    assert "add --yes" in refused.err
    ended = usersyncd("expect", "acme", "--end", "--yes")
    assert "24 resources deleted from the snapshot" in ended.out
    assert "a daemon delivers it within seconds, under the guard; without one, `usersyncd sync acme` does" in ended.out
    assert usersyncd("plan", "acme").code == 3, "the guard holds it"
    again = usersyncd("expect", "acme", "--end")
    assert (again.code, "no full push of acme is expected" in again.err) == (1, True)


def test_a_full_push_can_be_cancelled(usersyncd: Usersyncd) -> None:
    push(post("ada"))
    usersyncd("expect", "acme", "--full-push")
    ran = usersyncd("expect", "acme", "--cancel")
    assert ran.out.endswith("No full push of acme is expected any more. Nothing was deleted.\n")
    assert usersyncd("expect", "acme").out == "No full push of acme is expected.\n"


def test_status_says_that_a_full_push_is_expected(usersyncd: Usersyncd) -> None:
    ids = push(post("ada"), post("eve"))
    assert "full push" not in usersyncd("status").out
    usersyncd("expect", "acme", "--full-push")
    push(put(ids[0], "ada"))
    shown = usersyncd("status").out
    assert "acme: a full push is expected since " in shown
    assert ": 1 resource not sent yet\n  → `usersyncd expect acme` shows what was not sent" in shown
    found = {one["directory"]: one for one in json.loads(usersyncd("status", "--json").out)["directories"]}
    assert (found["acme"]["full_push"]["unseen"], found["hr"]["full_push"]) == (1, None)
    push(put(ids[1], "eve"))
    assert ": everything was sent\n" in usersyncd("status").out


def test_json_says_what_was_deleted(usersyncd: Usersyncd) -> None:
    push(post("ada"))
    started = json.loads(usersyncd("expect", "acme", "--full-push", "--json").out)
    assert set(started["full_push"]) == {"since", "by"}
    ended = json.loads(usersyncd("expect", "acme", "--end", "--yes", "--json").out)
    assert (ended["full_push"], ended["unseen"], ended["removed"]) == (None, [], 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["hr", "--full-push"], "hr does not push: usersyncd pulls it"),
        (["acne"], "there is no directory “acne”"),
        (["acme", "--end", "--cancel"], "exclude each other"),
    ],
)
def test_a_wrong_use_says_what_to_do(usersyncd: Usersyncd, arguments: list[str], error: str) -> None:
    ran = usersyncd("expect", *arguments)
    assert ran.code == 2
    assert error in ran.err


def test_check_says_how_much_was_pushed(usersyncd: Usersyncd) -> None:
    assert "pushed nothing yet" in usersyncd("check", "--online").out
    push(post("ada"), post_group("club"))
    [acme, _] = json.loads(usersyncd("check", "--online", "--json").out)["directories"]
    assert (acme["users"], acme["groups"]) == (1, 1)
