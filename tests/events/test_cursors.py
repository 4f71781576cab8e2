"""A cursor never passes an event that it has not shown, and says when that cannot be promised any more."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.events.world import Follower, StreamWorld
from usersyncd.core.cursors import ForgedError, Position, read_cursor, write_cursor
from usersyncd.errors import CursorError, FeedError
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import journal, streams
from usersyncd.state.database import Connection, open_database
from usersyncd.state.feed import read_feed
from usersyncd.state.streams import Publication
from usersyncd.state.tables import runs

KEY = b"k" * 32


def test_a_cursor_is_read_with_the_key_that_wrote_it() -> None:
    position = Position("epoch", 7, b"12345678")
    text = write_cursor(position, KEY)
    assert read_cursor(text, KEY) == position
    with pytest.raises(ForgedError):
        read_cursor(text, b"x" * 32)
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    with pytest.raises((ForgedError, ValueError)):
        read_cursor(changed, KEY)
    for other in ("", "abc", "§", "a" * 17):
        with pytest.raises((ForgedError, ValueError)):
            read_cursor(other, KEY)


def deliver_one(connection: Connection, stream: StreamWorld, id_: str, seq: int) -> int:
    """Journal the creation of a user as a delivery does. Returns the number of its event."""
    change = Change(Op.CREATE, Kind.USER, "acme", id_, id_, None, {"userName": id_})
    with stream.database.read() as other:
        found = streams.by_name(other, "app")
        assert found is not None
        [run] = journal.history(other, 1, "app")
    stamps = streams.publish(connection, Publication(found.target), [(10_000 + seq, change)], {10_000 + seq: id_})
    journal.write(connection, run.run, "app", 10_000 + seq, [journal.entry_of(change, None)], stamps)
    assert stamps[0].event is not None
    return stamps[0].event


def test_a_delivery_that_commits_late_has_later_numbers(stream: StreamWorld) -> None:
    """The second delivery waits for the numbers of the first one, and no reader sees either of them before."""
    stream.people("u1")
    stream.run()
    before = stream.cursor()
    numbers: list[int] = []
    begun = threading.Event()

    def second() -> None:
        begun.set()
        with stream.database.write() as connection:
            numbers.append(deliver_one(connection, stream, "late", 2))

    thread = threading.Thread(target=second)
    with stream.database.write() as connection:
        first = deliver_one(connection, stream, "early", 1)
        thread.start()
        begun.wait(10)
        thread.join(0.3)
        assert thread.is_alive()
        assert numbers == []
        page = stream.page(before)
        assert page.events == []
    thread.join(30)
    assert [first, *numbers] == [2, 3]
    assert [event.body["object"]["record"] for event in stream.page(page.cursor).events] == ["early", "late"]


def test_a_delivery_that_is_rolled_back_leaves_no_gap(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    with stream.database.write() as connection:
        deliver_one(connection, stream, "lost", 1)
        connection.get_transaction().rollback()  # type: ignore[union-attr]
    stream.people("u2")
    stream.run()
    assert [event["sequence"] for event in stream.events()] == [1, 2]


def test_text_that_is_not_a_cursor_is_refused(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    with pytest.raises(FeedError, match="not a cursor") as caught:
        stream.page("nonsense")
    assert not isinstance(caught.value, CursorError)
    with pytest.raises(CursorError, match="another stream"):
        stream.page(write_cursor(Position("x", 1), KEY))
    with pytest.raises(FeedError, match="no stream"):
        read_feed(stream.database, "other", None, 10)


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_restored_state_is_recognized_by_its_readers(stream: StreamWorld, tmp_path: Path) -> None:
    """After the restore, the numbers are given to other events."""
    stream.people("u1", "u2")
    stream.run()
    known = stream.cursor()
    backup = tmp_path / "backup.db"
    with sqlite3.connect(stream.database.file) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    stream.people("u3", "u4")
    stream.run()
    lost = stream.cursor()
    stream.database.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{stream.database.file}{suffix}").unlink(missing_ok=True)
    backup.rename(stream.database.file)
    stream.database = open_database(stream.url)

    stream.leave("u3", "u4")
    stream.people("x1", "x2", "x3")
    stream.run()
    assert len(stream.events(known)) == 3  # Nobody has shown yet that events were lost.
    highest = max(event["sequence"] for event in stream.events())
    with pytest.raises(CursorError, match="restored") as caught:
        stream.page(lost)
    assert "GET /api/v1/snapshot" in str(caught.value)
    with pytest.raises(CursorError, match="restored"):
        stream.page(known)  # It is of the old epoch.
    with pytest.raises(CursorError, match="restored"):
        stream.page(lost)
    follower = stream.snapshot()
    stream.people("y1")
    stream.run()
    [event] = stream.events(follower.cursor)
    assert event["sequence"] == highest + 1
    follower.take(event)
    assert follower.content() == stream.snapshot().content()


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_cursor_ahead_of_a_restored_stream_is_recognized(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    with stream.database.read() as connection:
        found = streams.by_name(connection, "app")
    assert found is not None
    with pytest.raises(CursorError, match="restored"):
        stream.page(write_cursor(Position(found.epoch, 500, b"12345678"), found.key))
    stream.people("u2")
    stream.run()
    [event] = stream.events()
    assert event["sequence"] == 501
    assert event["epoch"] != found.epoch


# ---- retention


def age(stream: StreamWorld, days: float) -> None:
    """Make every run so far older. One more run without changes stays young: the next one measures from it."""
    stream.run()
    with stream.database.write() as connection:
        last = select(func.max(runs.c.number)).where(runs.c.kind == int(journal.RunKind.DELIVERY)).scalar_subquery()
        older = update(runs).where(runs.c.number != last)
        connection.execute(older.values(elapsed=runs.c.elapsed - int(days * 86_400_000)))


def test_old_events_are_pruned_and_their_cursors_refused(stream: StreamWorld) -> None:
    stream.people("u1", "u2", "u3")
    stream.group("g1", "u1", "u2", "u3")
    stream.run()
    early, end = stream.page(limit=2).cursor, stream.cursor()
    age(stream, 31)
    stream.people("u4")
    stream.run()
    assert [event["sequence"] for event in stream.events()] == [8]
    assert [event["sequence"] for event in stream.events(end)] == [8]
    with pytest.raises(CursorError, match="not kept"):
        stream.page(early)
    follower = stream.snapshot()
    assert len(follower.objects) == 5


def test_events_that_are_not_old_stay(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    age(stream, 29)
    stream.people("u2")
    stream.run()
    assert len(stream.events()) == 2


def test_events_outlive_the_history_if_they_are_kept_longer(stream: StreamWorld) -> None:
    stream.options = {"retention": "365d", "retention_max": "365d"}
    stream.people("u1")
    stream.run()
    age(stream, 120)
    stream.people("u2")
    stream.run()
    [first, _] = stream.events()
    assert first["cause"]["why"] == "manual"
    age(stream, 300)
    stream.people("u3")
    stream.run()
    stream.people("u4")
    stream.run()
    assert [event["sequence"] for event in stream.events()] == [2, 3, 4]
    with stream.database.read() as connection:
        assert len(journal.history(connection, 100, "app", changed=True)) == 3


def test_pruned_changes_stay_in_the_history_for_its_own_time(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    age(stream, 40)
    stream.people("u2")
    stream.run()
    assert len(stream.events()) == 1
    with stream.database.read() as connection:
        assert len(journal.history(connection, 100, "app", changed=True)) == 2


def test_a_follower_that_was_pruned_away_recovers_by_the_snapshot(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.run()
    old = stream.snapshot()
    age(stream, 31)
    stream.people("u2", "u3")
    stream.run()
    age(stream, 31)
    stream.people("u4")
    stream.run()
    with pytest.raises(CursorError):
        stream.events(old.cursor)
    recovered: Follower = stream.snapshot()
    assert len(recovered.objects) == 4


# ---- erasing


def test_an_erased_person_leaves_numbers_and_ids(stream: StreamWorld) -> None:
    stream.user("u1", userName="anna", displayName="Anna Arendt")
    stream.user("u2", userName="ben")
    stream.group("g1", "u1", "u2")
    stream.run()
    before = stream.events()
    with stream.database.write() as connection:
        assert streams.erase(connection, "acme", "u1") == 2
    after = stream.events()
    assert [event["id"] for event in after] == [event["id"] for event in before]
    assert "anna" not in repr(after).lower()
    created = next(event for event in after if event["object"]["record"] == "u1")
    assert created["redacted"] is True
    assert created["type"] == "user.created"
    assert (created["before"], created["after"], created["changed"], created["object"]["key"]) == (None, None, [], None)
    members = {event["member"]["record"]: event["member"] for event in after if "member" in event}
    assert members["u1"]["redacted"] is True
    assert members["u1"]["key"] is None
    assert members["u1"]["id"] == created["object"]["id"]
    assert members["u2"]["key"] == "u2"
    assert stream.events(None)[-1]["sequence"] == before[-1]["sequence"]


def test_erasing_reaches_events_that_are_pruned_from_the_stream(stream: StreamWorld) -> None:
    stream.user("u1", userName="anna")
    stream.run()
    age(stream, 40)
    stream.people("u2")
    stream.run()
    with stream.database.write() as connection:
        assert streams.erase(connection, "acme", "u1") == 1
    with stream.database.read() as connection:
        texts = [
            entry
            for run in journal.history(connection, 10, "app")
            for entry in journal.entries(connection, run.run)
        ]  # fmt: skip
    assert "anna" not in repr(texts)
