"""The store of a directory that pushes, on a real state database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.push.operations import delete, edit, patch, post, post_group, put, put_group
from tests.push.pushing import PushingWorld, member_ids
from usersyncd.core.report import PullRun
from usersyncd.errors import StateError
from usersyncd.plugin import Kind
from usersyncd.push import burst, queue
from usersyncd.push.commit import commit as commit_all
from usersyncd.push.receiver import DirectoryReceiver
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import StoredMember, StoredResource
from usersyncd.state import journal
from usersyncd.state.lock import DIRECTORY, locked


def history(acme: PushingWorld) -> list[Any]:
    with acme.database.read() as connection:
        return journal.history(connection, 100, "acme", kinds=[journal.RunKind.PULL])


def wait_for_the_end(acme: PushingWorld) -> None:
    deadline = time.monotonic() + 30
    while any(run.finished is None for run in history(acme)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- what is pushed is read again


def test_a_pushed_user_is_read_again_as_it_was_pushed(acme: PushingWorld) -> None:
    extension = {"urn:example:badge": {"color": "blue"}, "x509Certificates": [{"value": "AAA="}]}
    [id_] = acme.created(post("Ada", externalId="E1", emails=[{"value": "Ada@Acme.example"}], **extension))
    stored = acme.get(id_)
    assert stored is not None
    assert stored.resource["urn:example:badge"] == {"color": "blue"}
    assert stored.resource["x509Certificates"] == [{"value": "AAA="}]
    for attribute, value in [("userName", "aDA"), ("externalId", "E1"), ("emails.value", "ada@acme.EXAMPLE")]:
        assert acme.found(attribute, value) == [id_]
    assert acme.found("externalId", "e1") == []
    assert acme.found("userName", "ada", Kind.GROUP) == []


def test_a_group_lists_users_groups_and_members_that_came_too_early(acme: PushingWorld) -> None:
    ada, inner = acme.created(post("ada", displayName="Ada"), post_group("inner"))
    [outer] = acme.created(post_group("outer", ada, inner, "later"))
    stored = acme.get(outer, Kind.GROUP)
    assert stored is not None
    assert set(stored.members or ()) == {
        StoredMember(ada, Kind.USER, "Ada"),
        StoredMember(inner, Kind.GROUP, "inner"),
        StoredMember("later", Kind.USER, None),
    }
    assert acme.get(ada).groups == (StoredMember(outer, Kind.GROUP, "outer"),)  # type: ignore[union-attr]


def test_resources_are_listed_in_the_order_in_which_they_came(acme: PushingWorld) -> None:
    ids = [acme.created(post(f"user{number}"))[0] for number in range(7)]
    acme.push(delete(ids[3]), put(ids[1], "renamed"))
    left = [*ids[:3], *ids[4:]]

    async def look(receiver: DirectoryReceiver) -> None:
        pages = [await receiver.page(Kind.USER, offset=n, count=2, members=True) for n in range(0, 8, 2)]
        assert [one.id for page in pages for one in page] == left
        assert [one.id for one in await receiver.after(Kind.USER, ids[1], 2, members=False)] == [ids[2], ids[4]]
        assert [one.id async for batch in receiver.scan(Kind.USER, members=True) for one in batch] == left
        assert await receiver.count(Kind.USER) == 6
        assert await receiver.count(Kind.GROUP) == 0
        assert await receiver.page(Kind.USER, offset=0, count=0, members=True) == []
        with pytest.raises(ScimError) as raised:
            await receiver.after(Kind.USER, "unknown", 2, members=False)
        assert raised.value.scim_type == "expiredCursor"

    acme.receive(look)


def test_a_directory_that_pushed_nothing_yet_is_empty(acme: PushingWorld) -> None:
    async def look(receiver: DirectoryReceiver) -> None:
        assert await receiver.get(Kind.USER, "x", members=True, groups=True) is None
        assert await receiver.lookup(Kind.USER, "userName", "x", members=False) == []
        assert await receiver.count(Kind.USER) == 0
        assert [batch async for batch in receiver.scan(Kind.USER, members=False)] == []
        assert await receiver.groups_of(["x"]) == {}

    acme.receive(look)


def test_the_answer_to_a_change_has_the_version_that_a_reader_gets(acme: PushingWorld) -> None:
    ada, club = acme.created(post("ada"), post_group("club"))
    edits = edit(club, add=(ada, "later")), edit(club, whole=(ada,)), edit(club, remove=(ada,))
    for change in (*edits, put_group(club, "x", ())):
        [answer] = acme.push(change)
        assert isinstance(answer, StoredResource)
        stored = acme.get(club, Kind.GROUP)
        assert stored is not None
        assert answer.version == stored.version
        assert acme.push(edit(club, if_match=stored.version)) != [412]


# ---- what is pushed is delivered


def test_what_is_pushed_is_delivered_by_the_same_rules_as_a_pull(acme: PushingWorld) -> None:
    ada, boris = acme.created(
        post("ada", emails=[{"value": "home@x", "type": "home"}, {"value": "ada@x", "type": "work"}], title="Engineer"),
        post("boris", active=False),
    )
    [club] = acme.created(post_group("club", ada, boris))
    acme.deliver(cause="push")
    held = acme.held()[ada]
    assert (held["userName"], held["email"], held["title"], held["active"]) == ("ada", "ada@x", "Engineer", True)
    assert acme.held()[boris]["active"] is False
    assert acme.members() == {club: {ada, boris}}
    acme.push(patch(ada, title=None), delete(boris), edit(club, remove=(ada,)))
    acme.deliver(cause="push")
    assert "title" not in acme.held()[ada]
    assert acme.held()[boris]["active"] is False
    assert acme.members() == {}


def test_a_user_who_is_pushed_again_after_a_deletion_is_another_record(acme: PushingWorld) -> None:
    [first] = acme.created(post("ada"))
    acme.push(delete(first))
    [second] = acme.created(post("ada"))
    assert first != second


def test_an_inactive_user_keeps_the_memberships(acme: PushingWorld) -> None:
    [ada] = acme.created(post("ada"))
    [club] = acme.created(post_group("club", ada))
    acme.push(patch(ada, active=False))
    assert member_ids(acme.get(club, Kind.GROUP)) == [ada]


def test_a_pull_reads_nothing_and_deletes_nothing(acme: PushingWorld) -> None:
    [ada] = acme.created(post("ada"))
    report = acme.run()
    assert report.status == "succeeded"
    assert report.pull is not None
    assert (report.pull.users, report.pull.changed) == (1, 0)
    assert ada in acme.held()


def test_all_users_may_lose_an_attribute_by_request(acme: PushingWorld) -> None:
    """A pull in which this happens is discarded: the directory hides the attribute. A request says what it removes."""
    ids = acme.created(*(post(f"user{number}", title="x") for number in range(20)))
    acme.deliver()
    answers = acme.push(*(patch(id_, title=None) for id_ in ids))
    assert all(isinstance(answer, StoredResource) for answer in answers)


# ---- the history


def test_a_burst_is_one_run_of_the_history(acme: PushingWorld) -> None:
    async def send(receiver: DirectoryReceiver) -> None:
        ada = await receiver.change(post("ada"))
        assert ada is not None
        await asyncio.gather(*(receiver.change(post(f"user{number}")) for number in range(5)))
        await receiver.change(patch(ada.id, title="x"))

    acme.receive(send)
    [run] = history(acme)
    assert isinstance(run, PullRun)
    assert (run.cause, run.status, run.changed) == ("push", "succeeded", True)
    assert run.pull is not None
    assert (run.pull.requests, run.pull.changed, run.pull.users) == (7, 7, 6)
    assert set(acme.runs) == {run.run}


def test_a_burst_ends_when_no_request_comes(acme: PushingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst, "QUIET", 0.05)

    async def send(receiver: DirectoryReceiver) -> None:
        for name in ("ada", "boris"):
            await receiver.change(post(name))
            await asyncio.to_thread(wait_for_the_end, acme)

    acme.receive(send)
    assert len(history(acme)) == 2


def test_requests_that_change_nothing_ask_for_no_delivery(acme: PushingWorld) -> None:
    [ada] = acme.created(post("ada", title="x"))
    acme.runs.clear()
    acme.push(patch(ada, title="x"), post("ada"), delete("nobody"))
    assert acme.runs == []


# ---- what can go wrong


@pytest.mark.parametrize("odd", ["\0", "a\0b", "\ud83d"])
def test_an_id_that_no_database_holds_names_nothing_and_stops_no_other_request(acme: PushingWorld, odd: str) -> None:
    [ada] = acme.created(post("ada"))
    [club] = acme.created(post_group("club", ada))
    answers = acme.push(post("boris"), delete(odd), put(odd, "x"), edit(odd), edit(club, remove=(odd,)), delete(ada))
    assert [answer if isinstance(answer, int) else None for answer in answers] == [None, 404, 404, 404, 400, None]
    assert isinstance(answers[0], StoredResource)
    for kind in Kind:
        assert acme.get(odd, kind) is None
    for attribute in ("userName", "externalId", "emails.value"):
        assert acme.found(attribute, odd) == []


def test_a_request_waits_while_another_run_has_the_directory(acme: PushingWorld) -> None:
    async def send(receiver: DirectoryReceiver) -> None:
        with locked(acme.database, DIRECTORY, "acme"):
            waiting = asyncio.create_task(receiver.change(post("ada")))
            await asyncio.sleep(0.2)
            assert not waiting.done()
        assert await waiting is not None

    acme.receive(send)


def test_a_request_that_waits_too_long_is_refused_and_changes_nothing(
    acme: PushingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LONGEST", 0.1)

    async def send(receiver: DirectoryReceiver) -> None:
        with locked(acme.database, DIRECTORY, "acme"), pytest.raises(ScimError) as raised:
            await receiver.change(post("ada"))
        assert (raised.value.status, raised.value.retry_after) == (503, 10)

    acme.receive(send)
    assert acme.found("userName", "ada") == []


def test_too_many_requests_are_refused(acme: PushingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST", 3)
    answers = acme.push(*(post(f"user{number}") for number in range(5)))
    assert [answer if isinstance(answer, int) else 201 for answer in answers] == [201, 201, 201, 503, 503]


def test_a_provider_that_hangs_up_stops_no_other(acme: PushingWorld) -> None:
    async def send(receiver: DirectoryReceiver) -> None:
        with locked(acme.database, DIRECTORY, "acme"):
            given_up, other = (asyncio.create_task(receiver.change(post(name))) for name in ("ada", "boris"))
            await asyncio.sleep(0.1)
            given_up.cancel()
        await other

    acme.receive(send)
    assert (acme.found("userName", "ada"), len(acme.found("userName", "boris"))) == ([], 1)


def test_an_unexpected_error_costs_only_its_own_request(acme: PushingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def commit(database: Any, before: Any, job: Any, operations: Any, now: Any) -> Any:
        if any(operation.resource["userName"] == "bad" for operation in operations):
            raise ZeroDivisionError
        return commit_all(database, before, job, operations, now)

    monkeypatch.setattr(burst, "commit", commit)
    answers = acme.push(post("ada"), post("bad"), post("boris"))
    assert [answer if isinstance(answer, int) else 201 for answer in answers] == [201, 500, 201]


def test_after_the_end_requests_are_refused_and_those_before_are_saved(acme: PushingWorld) -> None:
    async def send(receiver: DirectoryReceiver) -> None:
        accepted = [asyncio.create_task(receiver.change(post(f"user{number}"))) for number in range(30)]
        await asyncio.sleep(0)
        receiver.stop()
        with pytest.raises(ScimError) as raised:
            await receiver.change(post("late"))
        assert raised.value.status == 503
        assert all(await asyncio.gather(*accepted))

    acme.receive(send)


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_state_database_that_fails_is_answered_by_503_and_recovers(
    acme: PushingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burst, "PAUSE", 0.01)
    driver = acme.database.engine.dialect.loaded_dbapi
    connect = driver.connect
    monkeypatch.setattr(driver, "connect", lambda *given, **more: connect(*given, **{**more, "timeout": 0.05}))

    async def status(receiver: DirectoryReceiver) -> int:
        try:
            await receiver.change(post("boris"))
        except ScimError as error:
            return error.status
        return 201

    async def send(receiver: DirectoryReceiver) -> None:
        await receiver.change(post("ada"))
        with closing(sqlite3.connect(acme.database.file, isolation_level=None)) as blocker:
            blocker.execute("BEGIN IMMEDIATE")
            assert await status(receiver) == 503
        deadline = time.monotonic() + 30
        while (answer := await status(receiver)) == 503:
            assert time.monotonic() < deadline
        assert answer == 201

    acme.receive(send)
    assert len(acme.found("userName", "boris")) == 1


def test_a_burst_that_cannot_be_noted_is_answered_by_503_at_once(
    acme: PushingWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StateError("the disk is full")

    monkeypatch.setattr(burst, "PAUSE", 0.01)
    began = time.monotonic()
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(journal, "begin", full)
        assert acme.push(post("ada")) == [503]
    assert time.monotonic() - began < queue.LONGEST / 2
    assert {line["event_name"] for line in logs} == {"state.failed"}
    assert len(acme.created(post("ada"))) == 1
