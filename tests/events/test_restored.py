"""A restored state: what waited for a webhook still arrives, under the new epoch."""

from __future__ import annotations

from msgspec import structs

from tests.events.receiver import receiving
from tests.events.sending import Sending, webhook
from tests.events.world import StreamWorld
from usersyncd.state import endpoints, feed, streams
from usersyncd.state.endpoints import RoundResult


def restore(stream: StreamWorld, above: int) -> str:
    """Let a reader show that the state was restored. Returns the new epoch."""
    with stream.database.write() as connection:
        found = streams.by_name(connection, "app")
        assert found is not None
        streams.begin_epoch(connection, found.target, above)
    with stream.database.read() as connection:
        found = streams.by_name(connection, "app")
        assert found is not None
        return found.epoch


async def test_events_that_wait_for_a_webhook_are_sent_under_the_new_epoch(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1", "u2")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        ids = [event["id"] for event in stream.events()]
        epoch = restore(stream, 500)
        assert stream.events() == [], "the feed does not serve them"
        stream.leave("u1")
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    events = sorted(hook.accepted, key=lambda one: one["sequence"])
    assert [event["id"] for event in events[:2]] == ids
    assert [event["sequence"] for event in events] == [1, 2, 501]
    assert {event["epoch"] for event in events} == {epoch}
    assert sending.status.waiting == 0
    assert feed.find_event(stream.database, "app", ids[0]) is not None, "a receiver can read it whole"


async def test_nothing_waits_for_an_endpoint_that_had_everything(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        restore(stream, 500)
        assert sending.status.waiting == 0
        await sending.sender.close()


async def test_an_endpoint_that_is_enabled_after_the_restore_continues_where_it_stopped(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1", "u2")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        stopped = structs.replace(sending.state, cursor=1, stopped="disabled")
        endpoints.store(stream.database, RoundResult(stopped, set(), set(), []))
        restore(stream, 500)
        assert sending.enable()
        await sending.until_idle()
        await sending.sender.close()
    assert [event["sequence"] for event in hook.accepted] == [2]
