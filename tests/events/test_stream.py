"""What changes in a directory becomes events: which ones, in which order, and with which numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.events.world import Follower, StreamWorld, plain
from usersyncd.plugin import Kind
from usersyncd.state import journal
from usersyncd.state.feed import read_snapshot
from usersyncd.state.targets import by_identity, drop, unused


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_each_change_has_its_event(stream: StreamWorld) -> None:
    seen: list[list[str]] = []
    cursor: str | None = None

    def now() -> None:
        nonlocal cursor
        assert stream.run().status == "succeeded"
        page = stream.page(cursor)
        cursor = page.cursor
        seen.append([event.type for event in page.events])

    stream.user("u1", userName="anna", displayName="Anna")
    now()
    stream.user("u1", userName="anna", displayName="Anna B.")
    now()
    stream.user("u1", userName="anna", displayName="Anna B.", active=False)
    now()
    stream.user("u1", userName="anna", displayName="Anna B.", active=True)
    now()
    stream.user("u2", userName="ben")
    stream.group("g1", "u1", "u2")
    now()
    stream.group("g1", "u2", displayName="Team")
    now()
    stream.leave("u2")
    now()
    stream.leave("g1", kind=Kind.GROUP)
    now()
    now()
    assert seen == [
        ["user.created"],
        ["user.updated"],
        ["user.deactivated"],
        ["user.reactivated"],
        ["user.created", "group.created", "group.member_added", "group.member_added"],
        ["group.updated", "group.member_removed"],
        ["group.member_removed", "user.deactivated"],
        ["group.deleted"],
        [],
    ]


def test_a_leaver_is_deleted_when_the_rules_say_so(stream: StreamWorld) -> None:
    stream.target(delete_after=timedelta(0))
    stream.user("u1", userName="anna")
    stream.run()
    stream.leave("u1")
    stream.run()
    assert types(stream.events()) == ["user.created", "user.deleted"]
    assert stream.events()[1]["after"] is None
    assert stream.events()[1]["before"]["userName"] == "anna"


def test_an_event_says_what_changed_and_why(stream: StreamWorld) -> None:
    stream.user("u1", userName="anna", displayName="Anna")
    stream.run()
    stream.user("u1", userName="anna", displayName="Anna B.")
    stream.run()
    created, updated = stream.events()
    assert updated["changed"] == ["displayName"]
    assert (updated["before"]["displayName"], updated["after"]["displayName"]) == ("Anna", "Anna B.")
    assert created["before"] is None
    assert {"userName", "displayName"} <= set(created["changed"])
    assert updated["directory"] == "acme"
    assert updated["cause"]["why"] == "manual"
    assert updated["id"].startswith(updated["cause"]["run"])
    assert updated["object"] == {
        "kind": "user", "id": created["object"]["id"], "record": "u1", "key": "u1", "version": 2
    }  # fmt: skip
    assert datetime.now(UTC) - datetime.fromisoformat(updated["occurred_at"]) < timedelta(minutes=10)


def test_numbers_have_no_gap_and_ids_are_unique(stream: StreamWorld) -> None:
    stream.people(*(f"u{number}" for number in range(30)))
    stream.group("g1", *(f"u{number}" for number in range(20)))
    stream.run()
    stream.group("g1", *(f"u{number}" for number in range(5, 30)))
    stream.leave("u3")
    stream.run()
    events = stream.events()
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events) == 30 + 1 + 20 + 10 + 5 + 1


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_any_size_show_every_event_once(stream: StreamWorld, limit: int) -> None:
    stream.people("u1", "u2", "u3", "u4", "u5")
    stream.group("g1", "u1", "u2", "u3", "u4", "u5")
    stream.run()
    numbers: list[int] = []
    cursor: str | None = None
    for _ in range(20):
        page = stream.page(cursor, limit)
        numbers += [event.number for event in page.events]
        cursor = page.cursor
        if not page.more:
            break
    assert numbers == list(range(1, 12))
    assert stream.page(cursor).events == []


def test_types_choose_events_and_the_cursor_passes_the_others(stream: StreamWorld) -> None:
    stream.people("u1", "u2")
    stream.group("g1", "u1")
    stream.run()
    page = stream.page(types=["group.member_added"])
    assert [event.number for event in page.events] == [4]
    assert stream.page(page.cursor).events == []


def test_initial_none_keeps_the_first_delivery_of_a_directory_silent(stream: StreamWorld) -> None:
    stream.options = {"initial": "none"}
    stream.people("u1", "u2")
    stream.group("g1", "u1")
    stream.run()
    assert stream.events() == []
    follower = stream.snapshot()
    assert len(follower.objects) == 3
    stream.group("g1", "u1", "u2")
    stream.run()
    assert types(stream.events(follower.cursor)) == ["group.member_added"]
    assert stream.events()[0]["sequence"] == 1


def test_an_object_keeps_its_id_until_it_is_deleted(stream: StreamWorld) -> None:
    stream.user("u1", userName="anna")
    stream.run()
    stream.leave("u1")
    stream.run()
    stream.user("u1", userName="anna")
    stream.run()
    events = stream.events()
    assert types(events) == ["user.created", "user.deactivated", "user.reactivated"]
    assert len({event["object"]["id"] for event in events}) == 1


def test_the_snapshot_and_the_events_after_its_cursor_give_what_is_there(stream: StreamWorld) -> None:
    """Every page is read between two deliveries."""
    stream.people(*(f"u{number}" for number in range(12)))
    stream.group("g1", "u1", "u2", "u3")
    stream.group("g2", "u4")
    stream.run()
    follower, step = Follower(), iter(range(100))
    page: str | None = None
    while True:
        found = read_snapshot(stream.database, "app", page, 3)
        follower.load(plain(found))
        page = found.next
        if page is None:
            break
        number = next(step)
        stream.user(f"u{number}", displayName=f"step {number}")
        stream.user(f"x{number}")
        stream.group("g1", f"u{number}", f"x{number}", "u2")
        stream.group(f"h{number}", "u5", f"u{number}")
        stream.leave(f"u{11 - number}")
        if number % 3 == 2:
            stream.leave(f"h{number - 1}", kind=Kind.GROUP)
        assert stream.run().status == "succeeded"
    assert next(step) > 5
    for event in stream.events(follower.cursor):
        follower.take(event)
    assert follower.content() == stream.snapshot().content()


def test_events_alone_give_the_same_as_the_snapshot(stream: StreamWorld) -> None:
    stream.people("u1", "u2", "u3")
    stream.group("g1", "u1", "u2")
    stream.run()
    stream.group("g1", "u3")
    stream.leave("u2")
    stream.run()
    follower = Follower()
    for event in stream.events():
        follower.take(event)
    assert follower.content() == stream.snapshot(limit=2).content()


def test_a_stream_that_is_forgotten_leaves_the_history(stream: StreamWorld) -> None:
    stream.people("u1")
    report = stream.run()
    with stream.database.write() as connection:
        number = by_identity(connection, "events:app", "app")
        assert number is not None
        drop(connection, number)
        assert unused(connection, []) == []
    with stream.database.read() as connection:
        [run] = journal.history(connection, 10, "app")
        assert [entry.id for entry in journal.entries(connection, run.run)] == ["u1"]
    assert report.status == "succeeded"
