"""Events that wait for a webhook: they hold up only their object, and a replay never changes their order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from tests.events.receiver import Received, receiving
from tests.events.sending import Sending, in_order, webhook
from tests.events.world import StreamWorld
from usersyncd.core.retry_schedule import LONGEST_PAUSE
from usersyncd.state import endpoints
from usersyncd.state.endpoints import RoundResult

pytestmark = pytest.mark.parametrize("state", ["sqlite", "postgresql"], indirect=True)


async def test_many_held_events_of_one_object_stop_no_other(
    stream: StreamWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "WAITING", 3)
    monkeypatch.setattr(endpoints, "MOST_PARKED", 10)
    stream.options = webhook()
    members = [f"u{number}" for number in range(30)]
    stream.people(*members)
    stream.group("g1", *members)
    refuses = True

    async def picky(request: Received) -> Any:
        return 400 if refuses and request.event["object"]["kind"] == "group" else 200

    async with receiving(picky) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        for _ in range(4):
            await sending.sender.round()
        stream.people("u99")
        await sending.run()
        await sending.sender.round()
        assert "u99" in {event["object"]["record"] for event in hook.accepted}
        refuses = False
        await sending.until_idle()
        await sending.sender.close()
    assert in_order(hook.accepted)
    assert len({event["sequence"] for event in hook.accepted}) == len(stream.events())


async def test_a_replay_in_an_outage_keeps_the_order_of_the_object(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    is_down = True

    async def answer(_: Received) -> int:
        return 503 if is_down else 200

    async with receiving(answer) as hook:
        sending = Sending(stream, hook)
        for name in ("One", "Two", "Three"):
            stream.user("u1", displayName=name)
            await sending.run()
        await sending.sender.round()
        sending.replay(stream.events()[-1])
        is_down = False
        await sending.until_idle()
        first = stream.events()[0]
        sending.replay(first)
        await sending.until_idle()
        await sending.sender.close()
    assert [event["sequence"] for event in hook.accepted] == [1, 2, 3, 1]


async def test_an_attempt_that_a_wrong_clock_put_off_is_due_at_once(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        put_off = structs.replace(sending.state, failures=1, next_attempt=sending.now + timedelta(days=400))
        endpoints.store(stream.database, RoundResult(put_off, set(), set(), []))
        await sending.sender.round()
        assert len(hook.accepted) == 1
        put_off = structs.replace(sending.state, failures=1, next_attempt=sending.now + LONGEST_PAUSE)
        endpoints.store(stream.database, RoundResult(put_off, set(), set(), []))
        stream.people("u2")
        await sending.run()
        await sending.sender.round()
        await sending.sender.close()
    assert len(hook.accepted) == 1
