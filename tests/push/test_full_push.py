"""A full push that is expected: what the provider sends or finds is seen, and the rest can be deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.push.operations import delete, edit, patch, post, post_group, put
from tests.push.pushing import PushingWorld, member_ids
from tests.run.world import rules
from usersyncd.errors import LockedError
from usersyncd.plugin import Kind
from usersyncd.push import full_push
from usersyncd.push.commit import Committed, commit
from usersyncd.push.receiver import DirectoryReceiver
from usersyncd.state import full_pushes
from usersyncd.state.directories import open_directory
from usersyncd.state.full_pushes import FullPush
from usersyncd.state.lock import DIRECTORY, locked
from usersyncd.testing import MemoryObject

SINCE = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)


def number(acme: PushingWorld) -> int:
    return open_directory(acme.database, "acme").id


def expect(acme: PushingWorld) -> None:
    full_pushes.expect(acme.database, number(acme), FullPush(SINCE, "ann"))


def unseen(acme: PushingWorld) -> set[str]:
    return {one.id for page in full_pushes.unseen(acme.database, number(acme)) for one in page}


def end(acme: PushingWorld) -> int:
    report = asyncio.run(full_push.end_full_push(acme.database, acme.job, "ann"))
    assert report.error is None
    assert report.pull is not None
    return report.pull.changed


def test_what_is_written_or_found_is_seen(acme: PushingWorld) -> None:
    names = ["written", "patched", "same", "by id", "by name", "by external id", "not sent"]
    ids = dict(zip(names, acme.created(*(post(name, externalId=name) for name in names)), strict=True))
    [club, other] = acme.created(post_group("club"), post_group("other"))
    expect(acme)
    assert unseen(acme) == {*ids.values(), club, other}
    [new] = acme.created(post("new"))
    acme.push(
        put(ids["written"], "written", title="x"), patch(ids["patched"], title="x"),
        patch(ids["same"], userName="same"), edit(club, add=(ids["not sent"],)),
    )  # fmt: skip
    assert acme.get(ids["by id"]) is not None
    assert acme.found("userName", "BY name") == [ids["by name"]]
    assert acme.found("externalId", "by external id") == [ids["by external id"]]
    assert unseen(acme) == {ids["not sent"], other}
    assert new not in unseen(acme)
    with acme.database.read() as connection:
        assert full_pushes.seen_counts(connection, number(acme)) == {Kind.USER: 7, Kind.GROUP: 1}
        assert full_pushes.unseen_count(connection, number(acme)) == 2


def test_a_listing_sees_nothing(acme: PushingWorld) -> None:
    """A reader of all resources does not say that they are still in the directory."""
    [ada] = acme.created(post("ada"))
    expect(acme)

    async def look(receiver: DirectoryReceiver) -> None:
        assert await receiver.page(Kind.USER, offset=0, count=10, members=True)
        assert [batch async for batch in receiver.scan(Kind.USER, members=False)]

    acme.receive(look)
    assert unseen(acme) == {ada}


def test_a_request_that_failed_sees_nothing(acme: PushingWorld) -> None:
    [ada] = acme.created(post("ada"))
    expect(acme)
    assert acme.push(post("ada"), patch(ada, if_match="other", title="x")) == [409, 412]
    assert unseen(acme) == {ada}


def test_what_was_not_sent_leaves_when_the_full_push_ends(acme: PushingWorld) -> None:
    ada, boris = acme.created(post("ada"), post("boris"))
    [club, old] = acme.created(post_group("club", ada, boris), post_group("old", ada, boris))
    acme.deliver()
    expect(acme)
    acme.push(put(ada, "ada"), edit(club, add=(ada,)))
    assert end(acme) == 2
    assert acme.get(boris) is None
    assert acme.get(old, Kind.GROUP) is None
    assert member_ids(acme.get(club, Kind.GROUP)) == [ada]
    acme.deliver()
    assert acme.held()[boris]["active"] is False
    assert acme.members() == {club: {ada}}


def test_an_interrupted_end_is_continued(acme: PushingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = acme.created(*(post(f"user{place}") for place in range(5)))
    expect(acme)
    monkeypatch.setattr(full_pushes, "PAGE", 2)
    calls: list[object] = []

    def fails_at_the_second(*arguments: Any) -> Committed:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError("killed")
        return commit(*arguments)

    monkeypatch.setattr("usersyncd.push.full_push.commit", fails_at_the_second)
    report = asyncio.run(full_push.end_full_push(acme.database, acme.job, "ann"))
    assert report.status == "failed"
    assert len(unseen(acme)) == 3
    assert end(acme) == 3
    assert acme.push(*map(delete, ids)) == [404] * 5


def test_without_the_mark_nothing_is_noted(acme: PushingWorld) -> None:
    [ada] = acme.created(post("ada"))
    acme.get(ada)
    expect(acme)
    assert unseen(acme) == {ada}
    acme.get(ada)
    full_pushes.drop(acme.database, number(acme))
    expect(acme)
    assert unseen(acme) == {ada}, "what was seen for an earlier full push does not count"


def test_a_directory_that_pushes_all_the_time_cannot_end(acme: PushingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_push, "PATIENCE", 0.2)
    [ada] = acme.created(post("ada"))
    expect(acme)
    with locked(acme.database, DIRECTORY, "acme"), pytest.raises(LockedError, match="still pushes"):
        end(acme)
    assert acme.get(ada) is not None


# ---- adoption while it is expected


def failures(acme: PushingWorld) -> list[str]:
    return [one.error for share in acme.deliver(cause="push").targets for one in share.failed]


def test_a_directory_set_up_in_front_of_existing_accounts_adopts_them_all(acme: PushingWorld) -> None:
    acme.target(users=rules(key="userName", userName="user.userName"))
    for name in ("ada", "boris", "clara"):
        acme.store.insert(Kind.USER, MemoryObject("", name, {"userName": name}))
    acme.deliver()
    expect(acme)
    for name in ("ada", "boris"):
        acme.created(post(name))
        assert failures(acme) == []
    end(acme)
    acme.created(post("clara"))
    [error] = failures(acme)
    assert "`usersyncd expect acme --full-push`" in error
    expect(acme)
    assert failures(acme) == [], "a record that failed is adopted, too"
    assert len(acme.store.objects(Kind.USER)) == 3
