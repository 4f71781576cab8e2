"""Webhooks: every event arrives at least once, with one id, signed, and in the order of its object."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.events.receiver import CUT, Received, receiving
from tests.events.sending import OTHER_SECRET, SECRET, Sending, in_order, webhook
from tests.events.world import Follower, StreamWorld
from tests.servers.process import free_port
from usersyncd.core.events import Event
from usersyncd.core.retry_schedule import DELAYS
from usersyncd.errors import ConfigError
from usersyncd.events.messages import standard_webhooks
from usersyncd.events.sender import REFUSALS
from usersyncd.state import endpoints, streams

ON_SQLITE = pytest.mark.parametrize("state", ["sqlite"], indirect=True)


class KilledError(Exception):
    """The process is killed."""


def crowd(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people(*(f"u{number}" for number in range(20)))
    stream.group("g1", *(f"u{number}" for number in range(10)))
    stream.group("g2", "u3")


async def test_every_event_arrives_signed_and_in_order(stream: StreamWorld) -> None:
    crowd(stream)
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        stream.group("g1", "u1", "u15")
        stream.leave("u7")
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert sorted(event["sequence"] for event in hook.accepted) == list(range(1, len(stream.events()) + 1))
    assert in_order(hook.accepted)
    for request in hook.received:
        assert Webhook(SECRET).verify(request.body, request.headers)["id"] == request.headers["webhook-id"]
    follower = Follower()
    for event in sorted(hook.accepted, key=lambda one: one["sequence"]):
        follower.take(event)
    assert follower.content() == stream.snapshot().content()
    assert (sending.status.waiting, sending.status.held, sending.status.dead) == (0, 0, 0)


@ON_SQLITE
async def test_the_objects_are_sent_at_the_same_time_and_each_object_by_itself(stream: StreamWorld) -> None:
    async def slow(_: Received) -> int:
        await asyncio.sleep(0.01)
        return 204

    crowd(stream)
    async with receiving(slow) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert hook.most_at_once == 16  # The receiver itself checks that each object is alone.
    assert len(hook.accepted) == len(stream.events())


def test_a_forged_message_is_refused_by_the_library() -> None:
    event = Event(1, "RUN-0", "user.created", "x", {"id": "RUN-0"})
    now = datetime.now(UTC)
    [message] = standard_webhooks([SECRET], "crm")(event, now)
    assert Webhook(SECRET).verify(message.body, message.headers) == {"id": "RUN-0"}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(message.body.replace(b"RUN-0", b"RUN-1"), message.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(message.body, {**message.headers, "webhook-id": "RUN-1"})
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(message.body, message.headers)
    [old] = standard_webhooks([SECRET], "crm")(event, now - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(old.body, old.headers)


def test_the_signature_is_that_of_the_specification() -> None:
    """The test vector of Standard Webhooks 1.0."""
    made = Webhook(SECRET).sign(
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", datetime.fromtimestamp(1649367553, UTC),
        '{"email":"test@example.com","username":"test_user"}',
    )  # fmt: skip
    assert made == "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="


def test_two_secrets_sign_during_a_rotation() -> None:
    event = Event(1, "RUN-0", "user.created", "x", {"id": "RUN-0"})
    [message] = standard_webhooks([OTHER_SECRET, SECRET], "crm")(event, datetime.now(UTC))
    for secret in (SECRET, OTHER_SECRET):
        assert Webhook(secret).verify(message.body, message.headers) == {"id": "RUN-0"}


@pytest.mark.parametrize("secret", ["hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_§§§"])
def test_a_secret_that_cannot_sign_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        standard_webhooks([secret], "crm")
    assert secret not in str(caught.value) or secret == "whsec_"


# ---- faults


async def test_an_endpoint_that_is_down_is_left_alone_as_a_whole_and_tried_again(stream: StreamWorld) -> None:
    crowd(stream)
    attempts = 0

    async def down(_: Received) -> Any:
        nonlocal attempts
        attempts += 1
        return 200 if attempts > 16 + 3 else 503

    async with receiving(down) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert len(hook.accepted) == len(stream.events())
    assert in_order(hook.accepted)
    for wait, delay in zip(sending.waits, DELAYS[1:5], strict=True):
        assert delay * 0.99 <= wait.total_seconds() <= delay * 1.11
    assert sending.state.failures == 0


@ON_SQLITE
async def test_retry_after_is_honoured(stream: StreamWorld) -> None:
    crowd(stream)

    async def throttled(_: Received) -> Any:
        return 200 if len(hook.received) > 16 else (429, {"Retry-After": "1234"}, b"")

    async with receiving(throttled) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert 1233 < sending.waits[0].total_seconds() <= 1234
    assert len(hook.accepted) == len(stream.events())


@ON_SQLITE
async def test_each_event_has_the_reason_of_its_last_refusal(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")
    answers: list[Any] = [503, (422, {}, b"no such plan"), (409, {}, b"try later"), 200]

    async def changing(_: Received) -> Any:
        return answers.pop(0)

    async with receiving(changing) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        shown: list[tuple[str | None, list[str]]] = []
        while answers:
            due = await sending.sender.round()
            sending.now += due or timedelta(0)
            with stream.database.read() as connection:
                found = streams.by_name(connection, "app")
                assert found is not None
                reasons = [one.error for one in endpoints.refused(connection, found, "crm", 5)]
            shown.append((sending.state.error, reasons))
        await sending.sender.close()
    assert "503" in (shown[0][0] or "")
    assert [error for error, _ in shown[1:]] == [None] * 3, "the endpoint answers again"
    assert [len(reasons) for _, reasons in shown] == [0, 1, 1, 0]
    assert "no such plan" in shown[1][1][0]
    assert "try later" in shown[2][1][0]


@ON_SQLITE
async def test_an_event_that_is_refused_holds_its_object_and_no_other(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people(*(f"u{number}" for number in range(12)))
    poison = True

    async def picky(request: Received) -> Any:
        return (422, {}, b"no such plan") if poison and request.event["object"]["record"] == "u3" else 200

    async with receiving(picky) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        for _ in range(3):
            await sending.sender.round()
        stream.user("u3", displayName="New")
        stream.user("u4", displayName="New")
        await sending.run()
        for _ in range(3):
            await sending.sender.round()
        assert {event["object"]["record"] for event in hook.accepted} == {f"u{n}" for n in range(12)} - {"u3"}
        assert sending.status.held == 2
        refused = [one.headers["webhook-id"] for one in hook.received if one.event["object"]["record"] == "u3"]
        assert len(set(refused)) == 1  # The second event of u3 waits for the first.
        poison = False
        await sending.until_idle()
        await sending.sender.close()
    of_u3 = [event["type"] for event in hook.accepted if event["object"]["record"] == "u3"]
    assert of_u3 == ["user.created", "user.updated"]
    assert in_order(hook.accepted)
    assert sending.status.held == 0


@ON_SQLITE
async def test_after_the_schedule_an_event_is_dead_until_it_is_replayed(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1", "u2")
    poison = True

    async def picky(request: Received) -> Any:
        is_first = request.event["object"]["record"] == "u1" and request.event["type"] == "user.created"
        return 400 if poison and is_first else 200

    async with receiving(picky) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.sender.round()
        stream.user("u1", displayName="New")
        await sending.run()
        began = sending.now
        await sending.until_idle()
        assert sum(one.event["type"] == "user.created" and one.event["object"]["record"] == "u1"
                   for one in hook.received) == len(DELAYS)  # fmt: skip
        assert timedelta(seconds=sum(DELAYS)) <= sending.now - began <= 1.11 * timedelta(seconds=sum(DELAYS))
        assert sending.status.dead == 1
        assert [event["type"] for event in hook.accepted if event["object"]["record"] == "u1"] == ["user.updated"]
        poison = False
        assert sending.replay_dead() == 1
        await sending.until_idle()
        await sending.sender.close()
    assert sending.status.dead == 0
    assert len(hook.accepted) == 3
    assert len({one.headers["webhook-id"] for one in hook.received}) == 3


@ON_SQLITE
async def test_410_disables_the_endpoint_until_it_is_enabled(stream: StreamWorld) -> None:
    crowd(stream)
    closed = True

    async def gone(_: Received) -> int:
        return 410 if closed else 200

    async with receiving(gone) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        asked = len(hook.received)
        assert asked <= 16
        await sending.until_idle()
        assert len(hook.received) == asked
        assert sending.state.stopped == "disabled"
        assert "410" in (sending.state.error or "")
        closed = False
        assert sending.enable()
        assert not sending.enable()
        await sending.until_idle()
        await sending.sender.close()
    assert len(hook.accepted) == len(stream.events())


@ON_SQLITE
async def test_an_endpoint_that_is_down_for_the_whole_schedule_is_given_up(stream: StreamWorld) -> None:
    crowd(stream)

    async def down(_: Received) -> int:
        return 502

    async with receiving(down) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert sending.state.stopped == "given_up"
    assert len(hook.received) == 16 + len(DELAYS) - 1
    assert sending.status.waiting == len(stream.events())


@ON_SQLITE
async def test_redirects_are_failures(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.people("u1")

    async with receiving() as other:

        async def moved(_: Received) -> Any:
            return 307, {"Location": other.url}, b""

        async with receiving(moved) as hook:
            sending = Sending(stream, hook)
            await sending.run()
            await sending.sender.round()
            await sending.sender.close()
    assert other.received == []
    assert sending.status.held == 1


@ON_SQLITE
async def test_a_connection_that_is_cut_is_tried_again_with_the_same_id(stream: StreamWorld) -> None:
    crowd(stream)

    async def cutting(_: Received) -> Any:
        return CUT if len(hook.received) % 7 == 0 else 200

    async with receiving(cutting) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert {event["sequence"] for event in hook.accepted} == set(range(1, len(stream.events()) + 1))
    assert in_order(hook.accepted)
    assert len({one.headers["webhook-id"] for one in hook.received}) == len(stream.events())


@ON_SQLITE
@pytest.mark.parametrize("poisoned", [{"u2"}, {"u2", "u5", "g1"}])
async def test_events_that_never_get_an_answer_hold_their_objects_and_pause_nothing(
    stream: StreamWorld, poisoned: set[str]
) -> None:
    crowd(stream)

    async def cutting(request: Received) -> Any:
        return CUT if request.event["object"]["record"] in poisoned else 200

    async with receiving(cutting) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        for _ in range(3):
            await sending.sender.round()
        good = [event for event in stream.events() if event["object"]["record"] not in poisoned]
        assert len(hook.accepted) == len(good), "the clock stands still: nothing waited"
        for _ in range(6):
            sending.now += await sending.sender.round() or timedelta(0)
        assert (sending.state.failures, sending.state.error) == (0, None)
        held = sending.status.held
        stream.user("u9", displayName="New")
        await sending.run()
        await sending.sender.round()
        assert hook.accepted[-1]["after"]["displayName"] == "New"
        assert sending.status.held == held == len(stream.events()) - 1 - len(good)
        await sending.sender.close()


@ON_SQLITE
async def test_an_endpoint_that_answers_nothing_is_paused_and_given_up_and_no_event_is_dead(
    stream: StreamWorld,
) -> None:
    crowd(stream)
    works = False

    async def hanging_up(_: Received) -> Any:
        return 200 if works else CUT

    async with receiving(hanging_up) as hook:
        sending = Sending(stream, hook)
        await sending.run()
        await sending.until_idle()
        assert len(hook.received) < 16 + REFUSALS + len(DELAYS)
        assert sending.state.stopped == "given_up"
        assert sending.status.dead == 0
        works = True
        assert sending.enable()
        await sending.until_idle()
        await sending.sender.close()
    assert len(hook.accepted) == len(stream.events())
    assert in_order(hook.accepted)


@ON_SQLITE
async def test_an_endpoint_that_cannot_be_connected_to_is_paused_at_once(stream: StreamWorld) -> None:
    crowd(stream)
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
    sending.hook.url = f"http://127.0.0.1:{free_port()}/hook"
    await sending.restart()
    await sending.sender.round()
    assert (sending.state.failures, sending.status.held) == (1, 0)
    await sending.sender.close()


async def test_a_killed_sender_sends_nothing_twice_under_another_id(stream: StreamWorld) -> None:
    """The process ends after the receiver accepted and before that is stored."""

    def killed(*_: object) -> None:
        raise KilledError

    crowd(stream)
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("usersyncd.state.endpoints.store", killed)
            with pytest.raises(KilledError):
                await sending.sender.round()
        accepted = len(hook.accepted)
        assert accepted > 10
        await sending.restart()
        await sending.until_idle()
        await sending.sender.close()
    ids = [event["id"] for event in hook.accepted]
    assert len(ids) > len(set(ids)) == len(stream.events())
    by_id = {event["id"]: event for event in hook.accepted}
    assert all(by_id[event["id"]]["sequence"] == event["sequence"] for event in hook.accepted)


@ON_SQLITE
async def test_an_erased_person_goes_out_redacted(stream: StreamWorld) -> None:
    stream.options = webhook()
    stream.user("u1", userName="anna", displayName="Anna Arendt")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        with stream.database.write() as connection:
            streams.erase(connection, "acme", "u1")
        await sending.until_idle()
        await sending.sender.close()
    [event] = hook.accepted
    assert event["redacted"] is True
    assert b"nna" not in hook.received[0].body


@ON_SQLITE
async def test_only_the_chosen_types_are_sent(stream: StreamWorld) -> None:
    crowd(stream)
    async with receiving() as hook:
        sending = Sending(stream, hook, types=["group.created"])
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert {event["type"] for event in hook.accepted} == {"group.created"}
    assert len(hook.accepted) == 2
    assert sending.status.waiting == 0


@ON_SQLITE
async def test_a_new_endpoint_gets_the_events_that_follow(stream: StreamWorld) -> None:
    stream.people("u1")
    async with receiving() as hook:
        sending = Sending(stream, hook)
        await sending.run()
        stream.options = webhook()
        stream.people("u2")
        await sending.run()
        await sending.until_idle()
        await sending.sender.close()
    assert [event["object"]["record"] for event in hook.accepted] == ["u2"]
