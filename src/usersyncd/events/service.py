"""Keeps one sender running for each endpoint of the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import structlog
from msgspec import Struct

from usersyncd.blocking import to_its_end
from usersyncd.config import Config
from usersyncd.errors import ConfigError, LockedError, StateError
from usersyncd.events.messages import Writer, authorized, standard_webhooks
from usersyncd.events.receiver import WebhookReceiver
from usersyncd.events.sender import EndpointSender
from usersyncd.plugin import Secret, StreamOptions, Webhook
from usersyncd.secrets import open_secret
from usersyncd.state import endpoints, streams
from usersyncd.state.database import Database
from usersyncd.state.lock import ENDPOINT, locked

PAUSE = 2.0
"""Seconds between two looks for events that another process delivered."""
FAULT_PAUSE = 30.0
"""Seconds after a fault of the configuration or of the state database."""


class EndpointKey(Struct, frozen=True):
    """An endpoint of the configuration: the name of its target and its own."""

    target: str
    name: str

    def __str__(self) -> str:
        return f"{self.target}.{self.name}"


class Senders:
    """The senders of all endpoints. ``follow`` starts, restarts and ends them when the configuration changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[EndpointKey, tuple[object, asyncio.Task[None]]] = {}
        self._wakers: dict[EndpointKey, asyncio.Event] = {}
        self._changed = set[EndpointKey]()
        """The endpoints whose configuration changed, and that were not tried since."""

    def follow(self, config: Config) -> None:
        """Run the senders of this configuration. What did not change goes on; what changed is tried at once."""
        wanted = dict(configured(config))
        for key, (meaning, task) in list(self._tasks.items()):
            if key not in wanted or (config.folder, wanted[key]) != meaning:
                task.cancel()
                del self._tasks[key]
                self._changed.add(key)
        for key, (options, webhook) in wanted.items():
            if key not in self._tasks:
                task = asyncio.create_task(self._run(key, options, webhook, config.folder), name=f"events {key}")
                self._tasks[key] = (config.folder, (options, webhook)), task

    def wake(self, target: str) -> None:
        """Look for new events of a target at once."""
        for key, waker in self._wakers.items():
            if key.target == target:
                waker.set()

    async def stop(self) -> None:
        """End all senders. What was acknowledged is stored."""
        tasks = [task for _, task in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: EndpointKey, options: StreamOptions, webhook: Webhook, folder: Path) -> None:
        """Send to one endpoint until this is cancelled. A fault is logged when it begins, and tried again."""
        log = structlog.get_logger().bind(target=key.target, endpoint=key.name)
        waker = self._wakers[key] = asyncio.Event()
        last: str | None = None
        while True:
            try:
                await self._send(key, options, webhook, folder, waker, log)
            except LockedError:
                last, pause = None, PAUSE  # Another process sends to this endpoint.
            except (ConfigError, StateError) as error:
                pause = FAULT_PAUSE
                if str(error) != last:
                    log.error(str(error), event_name="events.failed", code=error.code)  # noqa: TRY400
                last = str(error)
            except Exception:
                pause = FAULT_PAUSE
                fault = "unexpected error: this is a fault of usersyncd: report it with this log"
                log.exception(fault, event_name="events.crashed")
            await asyncio.sleep(pause)

    async def _send(
        self, key: EndpointKey, options: StreamOptions, webhook: Webhook, folder: Path, waker: asyncio.Event, log: Any
    ) -> None:
        """Send rounds until this is cancelled. Raises ConfigError, StateError, and LockedError if another process sends
        to this endpoint."""
        write = await asyncio.to_thread(writer, key, options, webhook, folder, log)
        receiver = WebhookReceiver(
            webhook.url,
            private=webhook.allow_private_addresses,
            ca_file=None if webhook.ca_file is None else folder / webhook.ca_file,
        )
        types = None if webhook.types is None else frozenset(webhook.types)
        sender = EndpointSender(self._database, key.target, key.name, receiver, write, types, log)
        stack = ExitStack()
        try:
            await to_its_end(lambda: stack.enter_context(locked(self._database, ENDPOINT, str(key))))
            if key in self._changed:
                await to_its_end(lambda: _retry(self._database, key))
                self._changed.discard(key)
            while True:
                waker.clear()
                due = await sender.round()
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE if due is None else min(due.total_seconds(), PAUSE)):
                        await waker.wait()
        finally:
            await to_its_end(stack.close)
            await sender.close()


def _retry(database: Database, key: EndpointKey) -> None:
    with database.write() as connection:
        stream = streams.by_name(connection, key.target)
        if stream is not None:
            endpoints.retry(connection, stream, key.name)


def configured(config: Config) -> Iterable[tuple[EndpointKey, tuple[StreamOptions, Webhook]]]:
    """The endpoints of a configuration."""
    for target in config.targets.values():
        if isinstance(target.options, StreamOptions):
            for name, webhook in target.options.webhooks.items():
                yield EndpointKey(target.name, name), (target.options, webhook)


def writer(key: EndpointKey, options: StreamOptions, webhook: Webhook, folder: Path, log: Any) -> Writer:
    """What writes the messages of an endpoint. Raises ConfigError."""

    def opened(secret: Secret) -> str:
        return open_secret(secret, folder=folder, owner=str(key), log=log)

    if options.format_of(webhook) == "set":
        from usersyncd.events.tokens import security_event_tokens

        key_text = opened(cast("Secret", options.signing_key))
        write = security_event_tokens(
            key_text, options.issuer or "", webhook.audience or webhook.url, revoke=webhook.session_revoked
        )
    else:
        write = standard_webhooks([opened(secret) for secret in webhook.secrets], str(key))
    token = webhook.token
    if token is None:
        return write
    value = opened(token)
    return authorized(write, lambda: value)
