"""Sends the events of one stream to one endpoint, in rounds: read what is due, send it, store what was acknowledged.

The events of one object are sent one after the other; different objects at the same time. Nothing is kept between two
rounds that the state does not have, so that a killed process repeats at most one round, with the same ids.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import structs

from usersyncd.core.retry_schedule import pause_after
from usersyncd.events.messages import Writer
from usersyncd.events.receiver import Reply, ReplyMeaning, WebhookReceiver
from usersyncd.state import endpoints
from usersyncd.state.database import Database
from usersyncd.state.endpoints import EndpointState, Parked, Pending, Round, RoundResult

AT_ONCE = 16
"""The most objects whose events are sent at the same time."""
SECONDS = 2.0
"""After this time a round begins no more requests: what was acknowledged is stored."""
REFUSALS = 10
"""So many events refused or not answered in a row mean that the receiver as a whole does not work."""
DISABLED = "disabled"
GIVEN_UP = "given_up"


class EndpointSender:
    """The sender of one endpoint. ``types``: the types that it gets; None: all."""

    def __init__(
        self,
        database: Database,
        target: str,
        name: str,
        receiver: WebhookReceiver,
        write: Writer,
        types: frozenset[str] | None,
        log: Any,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._target = target
        self._name = name
        self._receiver = receiver
        self._write = write
        self._types = types
        self._log = log
        self._now = now
        self._refusals = 0
        """How many events were refused or not answered since the last one was acknowledged."""
        self._unanswered = set[int]()
        """The numbers of the events that got no answer: an endpoint that is tried again gets other events first."""

    async def round(self) -> timedelta | None:
        """Send what is due. Returns when the next round is due; None: when there are new events. Raises StateError."""
        found = await asyncio.to_thread(
            endpoints.next_round, self._database, self._target, self._name, self._types, self._now()
        )
        if found is None or found.state.stopped is not None:
            return None
        if not found.queues:
            await self._store(_Sending(found))
            return self._until(found.due, more=found.more)
        sending = _Sending(found)
        try:
            await self._send(sending)
        except asyncio.CancelledError:
            await self._store(sending)
            raise
        state = await self._store(sending)
        unsent = any(sending.queues.values()) or (sending.freed and found.followers)
        more = bool(found.more or unsent) and state.next_attempt is None and state.stopped is None
        dues = [found.due, *(one.next_attempt for one in sending.parked)]
        return self._until(state.next_attempt or min((due for due in dues if due is not None), default=None), more=more)

    def _until(self, due: datetime | None, *, more: bool) -> timedelta | None:
        if more:
            return timedelta(0)
        return None if due is None else max(due - self._now(), timedelta(0))

    async def close(self) -> None:
        await self._receiver.close()

    # ---- one round

    async def _send(self, sending: _Sending) -> None:
        probing = sending.state.failures > 0
        ready = sorted(sending.queues, key=lambda one: sending.queues[one][0].event.number in self._unanswered)
        ready.reverse()
        end = time.monotonic() + SECONDS

        async def work() -> None:
            while ready and not sending.is_over and time.monotonic() < end:
                object_ = ready.pop()
                queue = sending.queues[object_]
                while queue and not sending.is_over and time.monotonic() < end:
                    await self._send_one(sending, queue[0])
                    if probing:
                        return

        async with asyncio.TaskGroup() as group:
            for _ in range(1 if probing else min(AT_ONCE, len(ready))):
                group.create_task(work())

    async def _send_one(self, sending: _Sending, pending: Pending) -> None:
        """Send the first event of an object, and take it from the queue unless it has to be sent again."""
        event = pending.event
        reply = Reply(ReplyMeaning.DELIVERED)
        for message in self._write(event, self._now()):
            reply = await self._receiver.post(message)
            if reply.meaning is not ReplyMeaning.DELIVERED:
                break
        if reply.meaning is ReplyMeaning.DELIVERED:
            self._refusals = 0
            self._unanswered.discard(event.number)
            sending.deliver(pending)
            return
        if reply.meaning is ReplyMeaning.UNANSWERED:
            self._unanswered.add(event.number)
        if reply.meaning in (ReplyMeaning.UNAVAILABLE, ReplyMeaning.DISABLED) or (
            reply.meaning is ReplyMeaning.UNANSWERED and (sending.state.failures or sending.is_over)
        ):
            sending.end(reply)
            return
        self._refusals += 1
        self._refuse(sending, pending, reply)
        if self._refusals >= REFUSALS:
            sending.end(reply)

    def _refuse(self, sending: _Sending, pending: Pending, reply: Reply) -> None:
        attempts = 1 + (pending.parked.attempts if pending.parked else 0)
        pause = pause_after(attempts, random.random(), reply.wait)  # noqa: S311 - jitter
        event = pending.event
        parked = Parked(
            event.number, event.object, attempts, None if pause is None else self._now() + pause,
            dead=pause is None, error=reply.error,
        )  # fmt: skip
        sending.park(pending, parked)
        if parked.dead:
            self._log.error(
                "an event is not sent any more: the endpoint refused every attempt\n"
                f"  → correct the receiver, then `usersyncd events replay {self._target} --dead`",
                event_name="events.dead", event_id=event.id, error=reply.error,
            )  # fmt: skip
        elif attempts == 1:
            self._log.warning(
                "the endpoint refused an event: it is sent again", event_name="events.refused", event_id=event.id,
                error=reply.error,
            )  # fmt: skip

    async def _store(self, sending: _Sending) -> EndpointState:
        """Store what a round changed. Returns the new state."""
        old, now = sending.state, self._now()
        state = structs.replace(old, cursor=sending.cursor(), acknowledged=sending.acknowledged())
        if sending.counts[ReplyMeaning.DELIVERED]:
            state = structs.replace(state, failures=0, next_attempt=None, succeeded_at=now, error=None)
        failure = sending.failure
        if failure is not None and failure.meaning is ReplyMeaning.DISABLED:
            state = structs.replace(state, stopped=DISABLED, stopped_at=now, error=failure.error)
        elif failure is not None:
            failures = state.failures + 1
            pause = pause_after(failures, random.random(), failure.wait)  # noqa: S311 - jitter
            stopped = GIVEN_UP if pause is None else None
            state = structs.replace(
                state, failures=failures, next_attempt=None if pause is None else now + pause, error=failure.error,
                stopped=stopped, stopped_at=None if stopped is None else now,
            )  # fmt: skip
        elif old.failures and not sending.counts[ReplyMeaning.DELIVERED] and sending.counts[ReplyMeaning.REFUSED]:
            # It answers: only the event is refused, which has a reason of its own.
            state = structs.replace(state, failures=0, next_attempt=None, error=None)
        if state != old or sending.freed or sending.parked:
            result = RoundResult(state, sending.done, sending.freed, sending.parked)
            await asyncio.shield(asyncio.to_thread(endpoints.store, self._database, result))
        self._log_change(old, state)
        return state

    def _log_change(self, old: EndpointState, state: EndpointState) -> None:
        if state.stopped is not None:
            self._log.error(
                f"the endpoint is {state.stopped.replace('_', ' ')}: nothing is sent to it any more\n"
                f"  → correct the receiver, then `usersyncd events enable {self._target} {self._name}`",
                event_name="events.stopped", error=state.error,
            )  # fmt: skip
        elif state.failures > old.failures or (state.failures and not old.failures):
            self._log.warning(
                "the endpoint takes no events: they wait", event_name="events.paused", error=state.error,
                failures=state.failures,
                until=None if state.next_attempt is None else state.next_attempt.isoformat(timespec="seconds"),
            )  # fmt: skip
        elif old.failures and not state.failures:
            self._log.info("the endpoint takes events again", event_name="events.resumed")


class _Sending:
    """The result of a round so far."""

    def __init__(self, found: Round) -> None:
        self.state = found.state
        self.queues = found.queues
        self.done = set[int]()
        self.freed = set[int]()
        self.parked = list(found.followers)
        self.failure: Reply | None = None
        self.counts = Counter[ReplyMeaning]()
        self._read_to = found.read_to

    @property
    def is_over(self) -> bool:
        """Whether no more events are to be sent."""
        return self.failure is not None

    def deliver(self, pending: Pending) -> None:
        self.counts[ReplyMeaning.DELIVERED] += 1
        self.queues[pending.event.object].pop(0)
        (self.done if pending.parked is None else self.freed).add(pending.event.number)

    def park(self, pending: Pending, parked: Parked) -> None:
        """Let an event wait. Unless it is dead, the later events of its object wait, too."""
        self.counts[ReplyMeaning.REFUSED] += 1
        queue = self.queues[pending.event.object]
        queue.pop(0)
        self.parked.append(parked)
        if not parked.dead:
            self.parked += [Parked(one.event.number, one.event.object) for one in queue if one.parked is None]
            queue.clear()

    def end(self, reply: Reply) -> None:
        """End the round: the endpoint as a whole takes no events now, or none any more."""
        if self.failure is None or reply.meaning is ReplyMeaning.DISABLED:
            self.failure = reply

    def cursor(self) -> int:
        """The number up to which every event is acknowledged or parked."""
        left = [one.event.number for queue in self.queues.values() for one in queue if one.parked is None]
        return max(min(left) - 1 if left else self._read_to, self.state.cursor)

    def acknowledged(self) -> frozenset[int]:
        """The numbers above the cursor that need no attempt."""
        cursor = self.cursor()
        settled = self.state.acknowledged | self.done | {one.number for one in self.parked}
        return frozenset(number for number in settled if number > cursor)
