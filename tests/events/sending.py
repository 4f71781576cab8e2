"""Drives the sender of one endpoint with a clock of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from tests.events.receiver import Hook
from tests.events.world import StreamWorld
from usersyncd.events.messages import Writer, standard_webhooks
from usersyncd.events.receiver import WebhookReceiver
from usersyncd.events.sender import EndpointSender
from usersyncd.state import endpoints, streams
from usersyncd.state.endpoints import EndpointState, EndpointStatus
from usersyncd.state.feed import find_event
from usersyncd.state.streams import StreamState

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


def webhook(**more: Any) -> dict[str, Any]:
    """The options of a target with one endpoint, ``crm``."""
    secrets = [{"env": "HOOK"}]
    found = {"url": "http://127.0.0.1:9/hook", "secrets": secrets, "allow_private_addresses": True, **more}
    return {"webhooks": {"crm": found}}


class Sending:
    """A sender whose waits take no time: ``until_idle`` moves the clock to when the next round is due."""

    def __init__(
        self, stream: StreamWorld, hook: Hook, *, types: Iterable[str] | None = None, write: Writer | None = None
    ) -> None:
        self.stream = stream
        self.hook = hook
        self.now = datetime.now(UTC)
        self.waits: list[timedelta] = []
        self._types = None if types is None else frozenset(types)
        self._write = write or standard_webhooks([SECRET], "app.crm")
        self.sender = self._made()

    def _made(self) -> EndpointSender:
        receiver = WebhookReceiver(self.hook.url, private=True)
        return EndpointSender(
            self.stream.database, "app", "crm", receiver, self._write, self._types, structlog.get_logger(),
            lambda: self.now,
        )  # fmt: skip

    async def restart(self) -> None:
        """Another process takes over: nothing is remembered."""
        await self.sender.close()
        self.sender = self._made()

    async def until_idle(self, rounds: int = 200) -> None:
        """Send until nothing is due any more, or the endpoint is stopped."""
        for _ in range(rounds):
            due = await self.sender.round()
            if due is None:
                return
            if due:
                self.waits.append(due)
                self.now += due
        raise AssertionError("the sender is never idle")

    @property
    def state(self) -> EndpointState:
        return self.status.state

    @property
    def status(self) -> EndpointStatus:
        with self.stream.database.read() as connection:
            [found] = endpoints.statuses(connection, self._stream())
            return found

    def _stream(self) -> StreamState:
        with self.stream.database.read() as connection:
            found = streams.by_name(connection, "app")
            assert found is not None
            return found

    def enable(self) -> bool:
        with self.stream.database.write() as connection:
            return endpoints.enable(connection, self._stream(), "crm")

    def replay_dead(self) -> int:
        with self.stream.database.write() as connection:
            return endpoints.replay_dead(connection, self._stream(), "crm")

    def replay(self, event: dict[str, Any]) -> None:
        found = find_event(self.stream.database, "app", event["id"])
        assert found is not None
        with self.stream.database.write() as connection:
            endpoints.replay(connection, self._stream(), "crm", found)

    async def run(self) -> None:
        """Pull and deliver."""
        await asyncio.to_thread(self.stream.run)


def in_order(events: Iterable[dict[str, Any]]) -> bool:
    """Whether the events of each object are in their order."""
    last: dict[str, int] = {}
    for event in events:
        if event["sequence"] <= last.get(event["object"]["id"], 0):
            return False
        last[event["object"]["id"]] = event["sequence"]
    return True
