"""Random changes, kills and answers: nothing is lost, no event has two ids, and each object keeps its order."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from tests.events.receiver import CUT, Received, receiving
from tests.events.sending import Sending, webhook
from tests.events.test_cursors import age
from tests.events.world import Follower, StreamWorld
from usersyncd.plugin import Kind
from usersyncd.state import endpoints, streams


class KilledError(BaseException):
    """The process is killed."""


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_history_reaches_every_follower(stream: StreamWorld, seed: int) -> None:
    """Deliveries and senders are killed at random: before the commit, and between the answer and its storage."""
    chance = random.Random(seed)
    stream.options = webhook()

    async def answer(_: Received) -> Any:
        return chance.choices([200, 500, 503, CUT, (429, {"Retry-After": "3"}, b"")], [20, 1, 1, 1, 1])[0]

    real_publish, real_store = streams.publish, endpoints.store

    def publish(*arguments: Any) -> Any:
        found = real_publish(*arguments)
        if chance.random() < 0.2:
            raise KilledError
        return found

    def store(*arguments: Any) -> None:
        if chance.random() < 0.2:
            raise StoppedError
        real_store(*arguments)

    async with receiving(answer) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        for _ in range(12):
            change(stream, chance)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("usersyncd.state.streams.publish", publish)
                patch.setattr("usersyncd.state.endpoints.store", store)
                with suppress(KilledError):
                    await asyncio.to_thread(stream.run)
                for _ in range(3):
                    try:
                        due = await sending.sender.round()
                        sending.now += min(due or timedelta(0), timedelta(minutes=10))
                    except StoppedError:
                        await sending.restart()
        report = await asyncio.to_thread(stream.run)
        assert report.status == "succeeded"
        await sending.until_idle()
        await sending.sender.close()
    events = stream.events()
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    by_id = {event["id"]: event for event in events}
    assert {event["id"] for event in hook.accepted} == set(by_id)
    assert all(by_id[event["id"]] == event for event in hook.accepted)
    first: dict[str, list[int]] = {}
    seen = set[str]()
    for event in hook.accepted:
        if event["id"] not in seen:
            seen.add(event["id"])
            first.setdefault(event["object"]["id"], []).append(event["sequence"])
    assert all(numbers == sorted(numbers) for numbers in first.values())
    follower = Follower()
    for event in events:
        follower.take(event)
    assert follower.content() == stream.snapshot(limit=4).content()


class StoppedError(Exception):
    """The sender is killed before it stores what was acknowledged."""


def change(stream: StreamWorld, chance: random.Random) -> None:
    """Change the directory in a few places."""
    for _ in range(chance.randint(1, 5)):
        person, group = f"u{chance.randint(1, 8)}", f"g{chance.randint(1, 3)}"
        match chance.randint(1, 4):
            case 1 | 2:
                stream.user(person, userName=person, displayName=str(chance.random()))
            case 3:
                stream.leave(person)
            case _:
                stream.group(group, *chance.sample(sorted(stream.directory.users), min(3, len(stream.directory.users))))
    if chance.random() < 0.2 and stream.directory.groups:
        stream.leave(chance.choice(sorted(stream.directory.groups)), kind=Kind.GROUP)


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
def test_a_full_disk_loses_no_event(stream: StreamWorld) -> None:
    """The state database cannot grow during the delivery: the next one delivers the same, and no number is missing."""
    stream.people(*(f"u{number}" for number in range(50)))
    stream.run()
    stream.people(*(f"v{number}" for number in range(3000)), displayName="x" * 200)

    real = streams.publish

    def full(connection: Any, *arguments: Any) -> Any:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        return real(connection, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usersyncd.state.streams.publish", full)
        failed = stream.run()
    assert failed.status == "failed"
    assert "free some space" in str(failed.targets[0].error)
    assert stream.run().status == "succeeded"
    assert [event["sequence"] for event in stream.events()] == list(range(1, 3051))


# ---- endpoints and retention


async def test_events_are_kept_for_an_endpoint_until_the_longest_retention(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1", "u2")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await asyncio.to_thread(age, stream, 60)
        stream.people("u3")
        await sending.run()
        assert len(stream.events()) == 3
        await sending.until_idle()
        await sending.sender.close()
    assert len(hook.accepted) == 3
    await asyncio.to_thread(age, stream, 31)
    await sending.run()
    assert stream.events() == []


async def test_an_endpoint_that_is_too_far_behind_is_given_up_and_said(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1", "u2")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await asyncio.to_thread(age, stream, 91)
        stream.people("u3")
        report = await asyncio.to_thread(stream.run)
        assert report.status == "succeeded"
        assert sending.state.stopped == "given_up"
        await sending.until_idle()
        assert hook.accepted == []
        assert sending.enable()
        await sending.until_idle()
        await sending.sender.close()
    assert [event["object"]["record"] for event in hook.accepted] == ["u3"]


def test_an_endpoint_out_of_the_configuration_keeps_its_place(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    stream.run()
    stream.options = {}
    stream.people("u2")
    stream.run()
    stream.options = webhook()
    stream.run()
    with stream.database.read() as connection:
        found = streams.by_name(connection, "app")
        assert found is not None
        [status] = endpoints.statuses(connection, found)
    assert status.waiting == 2
