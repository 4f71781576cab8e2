"""``usersyncd events``: what people see of streams, and do about them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from tests.cli.company import DIRECTORY, Company
from tests.cli.running import Usersyncd
from usersyncd.cli.text import local
from usersyncd.core.events import to_json
from usersyncd.state import endpoints, streams
from usersyncd.state.database import Database, open_database
from usersyncd.state.endpoints import Parked, RoundResult
from usersyncd.state.feed import read_feed

EVENTS = """\
targets:
  hooks:
    connector: events
    options:
      webhooks:
        crm: {url: "https://crm.example/hooks", secrets: [{env: HOOK}]}
        billing: {url: "https://billing.example/hooks", secrets: [{env: HOOK}]}
"""

ERASED = "Erased the keys and attributes of person {} of acme in 1 event.\n"


@pytest.fixture
def company(tmp_path: Path, usersyncd: Usersyncd) -> Company:
    made = Company(tmp_path)
    made.keep("users.csv", 5)
    (tmp_path / "acme" / "groups.csv").write_text("id,displayName\n")
    (tmp_path / "acme" / "members.csv").write_text("group_id,member_id\n")
    made.configure("state: sqlite:///state.db\n" + DIRECTORY + EVENTS)
    return made


@pytest.fixture
def database(company: Company, usersyncd: Usersyncd) -> Database:
    assert usersyncd("sync").code == 0
    return open_database(f"sqlite:///{company.folder}/state.db")


def stop(database: Database, *, dead: int = 0) -> None:
    """End the endpoint ``crm`` as its sender does."""
    with database.read() as connection:
        stream = streams.by_name(connection, "hooks")
        assert stream is not None
        state = endpoints.load(connection, stream.target, "crm")
        assert state is not None
    parked = [Parked(dead, "x", 10, dead=True, error="HTTP 400")] if dead else []
    stopped = state if dead else structs.replace(state, stopped="disabled", error="HTTP 410")
    endpoints.store(database, RoundResult(stopped, set(), set(), parked))


def acknowledge(database: Database, number: int) -> None:
    """The endpoint ``crm`` took the events up to this number."""
    with database.read() as connection:
        stream = streams.by_name(connection, "hooks")
        assert stream is not None
        state = endpoints.load(connection, stream.target, "crm")
        assert state is not None
    endpoints.store(database, RoundResult(structs.replace(state, cursor=number), set(), set(), []))


def test_the_streams_and_their_endpoints_are_shown(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    shown = json.loads(usersyncd("events", "--json").out)
    assert shown["format"] == 1
    [stream] = shown["streams"]
    assert (stream["target"], stream["last"], stream["pruned"]) == ("hooks", 5, 0)
    assert [(one["endpoint"], one["status"], one["waiting"]) for one in stream["endpoints"]] == [
        ("billing", "ok", 5), ("crm", "ok", 5),
    ]  # fmt: skip
    text = usersyncd("events").out
    assert text.startswith("hooks: 5 events, number 1 to 5\n")


def test_a_stream_whose_state_was_restored_is_empty(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    with database.write() as connection:
        stream = streams.by_name(connection, "hooks")
        assert stream is not None
        streams.begin_epoch(connection, stream.target, 89)
    shown = usersyncd("events").out
    assert shown.startswith("hooks: the stream is empty, its next event has the number 90\n")
    company.edit_row("u-0001", lambda row: "")  # The manager of all others.
    usersyncd("sync")
    assert usersyncd("events").out.startswith("hooks: 5 events, number 90 to 94\n")
    [stream] = json.loads(usersyncd("events", "--json").out)["streams"]
    assert [one["waiting"] for one in stream["endpoints"]] == [5 + 5, 5 + 5], "no number between the epochs waits"


def test_nothing_is_shown_before_the_first_delivery(company: Company, usersyncd: Usersyncd) -> None:
    [stream] = json.loads(usersyncd("events", "--json").out)["streams"]
    assert (stream["epoch"], stream["last"], stream["endpoints"]) == (None, 0, [])
    assert usersyncd("events").out == "hooks: no events yet: the stream begins with the first delivery\n"
    ran = usersyncd("events", "replay", "hooks", "--dead")
    assert (ran.code, ran.err.splitlines()[0]) == (1, "hooks has no stream yet")


def test_a_stopped_endpoint_is_in_the_status_until_it_is_enabled(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    assert usersyncd("status", "--exit-code").code == 0
    stop(database)
    ran = usersyncd("status", "--exit-code")
    assert ran.code == 1
    assert "hooks: nothing is sent to the endpoint crm: it is disabled (HTTP 410)" in ran.out
    assert "usersyncd events enable hooks crm" in ran.out
    [stopped] = json.loads(usersyncd("status", "--json").out)["stopped_endpoints"]
    assert (stopped["target"], stopped["endpoint"], stopped["status"]) == ("hooks", "crm", "disabled")
    assert "usersyncd events enable hooks crm" in usersyncd("events").out
    assert usersyncd("events", "enable", "hooks", "crm").out == "crm is enabled.\n"
    assert usersyncd("events", "enable", "hooks", "crm").out == "crm is in use: nothing was to be done.\n"
    assert usersyncd("status", "--exit-code").code == 0


def fail(database: Database) -> datetime:
    """Let the endpoint ``crm`` fail as its sender does. Returns when it is tried again."""
    later = datetime.now(UTC) + timedelta(hours=10)
    with database.read() as connection:
        stream = streams.by_name(connection, "hooks")
        assert stream is not None
        state = endpoints.load(connection, stream.target, "crm")
        assert state is not None
    failing = structs.replace(state, failures=6, next_attempt=later, error="HTTP 503")
    refused = Parked(2, "x", 3, later, error="HTTP 422")
    endpoints.store(database, RoundResult(failing, set(), set(), [refused]))
    return later


def next_attempts(usersyncd: Usersyncd) -> list[str | None]:
    """When ``crm`` is tried again, and when the event that it refused is."""
    crm = json.loads(usersyncd("events", "--json").out)["streams"][0]["endpoints"][1]
    return [crm["next_attempt"], *(one["next_attempt"] for one in crm["refused"])]


def test_a_failing_endpoint_is_shown_with_its_next_attempt_and_can_be_tried_at_once(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    later = fail(database)
    at = local(later.isoformat())
    shown = " ".join(usersyncd("events").out.split())
    assert f"crm: HTTP 503; it is tried again at {at}" in shown
    assert "→ correct the receiver, then `usersyncd events enable hooks crm`" in shown
    ran = usersyncd("status", "--exit-code")
    assert ran.code == 0, "it is tried again: nobody has to come"
    assert f"hooks: the endpoint crm takes no events (HTTP 503): it is tried again at {at}" in " ".join(ran.out.split())
    [failing] = json.loads(usersyncd("status", "--json").out)["failing_endpoints"]
    assert failing == {
        "target": "hooks", "endpoint": "crm", "failures": 6, "last_success": None, "next_attempt": later.isoformat(),
        "error": "HTTP 503",
    }  # fmt: skip
    assert usersyncd("events", "enable", "hooks", "crm").out == "crm is tried at once.\n"
    assert next_attempts(usersyncd) == [None, None]
    assert usersyncd("events", "enable", "hooks", "crm").out == "crm is in use: nothing was to be done.\n"
    assert json.loads(usersyncd("status", "--json").out)["failing_endpoints"] == []


def test_a_replay_ends_the_pause_of_its_endpoint(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    fail(database)
    event = read_feed(database, "hooks", None, 10).events[3]
    usersyncd("events", "replay", "hooks", "--event", event.id)
    assert next_attempts(usersyncd) == [None, None]


def test_an_endpoint_out_of_the_configuration_is_not_in_the_status(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    stop(database)
    company.configure("state: sqlite:///state.db\n" + DIRECTORY + EVENTS.replace("        crm: ", "        new: "))
    shown = json.loads(usersyncd("status", "--json").out)
    assert (shown["stopped_endpoints"], shown["failing_endpoints"]) == ([], [])


def test_dead_events_are_replayed(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    stop(database, dead=2)
    event = read_feed(database, "hooks", None, 10).events[1]
    shown = " ".join(usersyncd("events").out.split())
    assert f"crm: event 2 ({event.id}) was refused, 10 attempts, it is not sent any more: HTTP 400" in shown
    assert "→ correct the receiver, then `usersyncd events replay hooks --endpoint crm --dead`" in shown
    _, crm = json.loads(usersyncd("events", "--json").out)["streams"][0]["endpoints"]
    assert crm["refused"] == [
        {"event": event.id, "sequence": 2, "attempts": 10, "next_attempt": None, "dead": True, "error": "HTTP 400"}
    ]
    ran = json.loads(usersyncd("events", "replay", "hooks", "--dead", "--json").out)
    assert ran == {"format": 1, "target": "hooks", "replayed": {"billing": 0, "crm": 1}}
    [stream] = json.loads(usersyncd("events", "--json").out)["streams"]
    assert [(one["dead"], one["held"]) for one in stream["endpoints"]] == [(0, 0), (0, 1)]


def test_one_event_is_replayed_to_one_endpoint(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    event = read_feed(database, "hooks", None, 10).events[2]
    acknowledge(database, event.number)
    ran = usersyncd("events", "replay", "hooks", "--event", event.id, "--endpoint", "crm")
    assert ran.out == "crm: 1 event will be sent again.\n"
    [stream] = json.loads(usersyncd("events", "--json").out)["streams"]
    assert [one["held"] for one in stream["endpoints"]] == [0, 1]


def test_an_event_is_replayed_to_the_endpoints_that_get_its_type(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    event = read_feed(database, "hooks", None, 10).events[2]
    picky = EVENTS.replace('"https://billing.example/hooks"', '"https://billing.example/hooks", types: [user.deleted]')
    company.configure("state: sqlite:///state.db\n" + DIRECTORY + picky)
    assert usersyncd("events", "replay", "hooks", "--event", event.id).out == "crm: 1 event will be sent again.\n"
    ran = usersyncd("events", "replay", "hooks", "--event", event.id, "--endpoint", "billing")
    assert ran.code == 2
    assert "no endpoint of hooks that was chosen gets events of the type user.created" in ran.err


def test_a_person_is_erased_from_the_events(company: Company, usersyncd: Usersyncd, database: Database) -> None:
    event = read_feed(database, "hooks", None, 10).events[0]
    id_ = event.body["object"]["record"]
    assert usersyncd("events", "erase", "acme", id_).out == ERASED.format(id_)
    again = read_feed(database, "hooks", None, 10).events[0]
    assert (again.id, again.body["redacted"]) == (event.id, True)
    assert event.body["after"]["userName"].encode() not in to_json(again.body)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("replay", "hooks"), 2, "exactly one of --event and --dead"),
        (("replay", "hooks", "--dead", "--event", "x"), 2, "exactly one of --event and --dead"),
        (("replay", "other", "--dead"), 2, "other is not an events target"),
        (("replay", "hooks", "--dead", "--endpoint", "x"), 2, "hooks has no endpoint x"),
        (("replay", "hooks", "--event", "x-1"), 1, "hooks has no event x-1"),
        (("enable", "hooks", "x"), 2, "hooks has no endpoint x"),
        (("erase", "acme", "nobody"), 1, "no event is about a person nobody of acme"),
        (("erase", "nope", "1"), 2, "there is no directory “nope”"),
        (("erase", "acma", "1"), 2, "did you mean acme?"),
    ],
)
def test_what_cannot_be_done_is_said(
    company: Company, usersyncd: Usersyncd, database: Database, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran = usersyncd("events", *arguments)
    assert (ran.code, says in ran.err) == (code, True), ran.err
    assert "→" in ran.err


def test_a_person_of_a_directory_that_was_removed_is_erased(
    company: Company, usersyncd: Usersyncd, database: Database
) -> None:
    id_ = read_feed(database, "hooks", None, 10).events[0].body["object"]["record"]
    company.configure("state: sqlite:///state.db\n" + DIRECTORY.replace("  acme:", "  other:") + EVENTS)
    assert usersyncd("events", "erase", "acme", id_).code == 0
