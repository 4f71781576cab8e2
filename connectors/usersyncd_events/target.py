"""The events target. It writes nothing itself: the journal of usersyncd is its stream."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import TargetError
from usersyncd.plugin import (
    API,
    DELIVERED,
    Capabilities,
    Change,
    Held,
    Kind,
    Lookup,
    Op,
    Outcome,
    StreamOptions,
    TargetContext,
    refuse_short_token,
)


class EventsOptions(StreamOptions):
    """A stream of events that applications receive or read."""


class EventsTarget:
    """Accepts every change: the commit that stores its link also stores its events."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = EventsOptions
    capabilities: ClassVar[Capabilities] = Capabilities(find=None, read=False, journalled=True)

    def __init__(self, options: EventsOptions, context: TargetContext) -> None:
        self._options = options
        self._context = context

    async def identity(self) -> str:
        return f"events:{self._context.name}"

    async def prepare(self) -> None:
        pass

    async def find(self, _kind: Kind, _lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        return
        yield

    async def read(self, _kind: Kind, _target_ids: Sequence[str]) -> AsyncIterator[Held]:
        return
        yield

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        """Accept a batch. A new object gets an id that stays the same until it is deleted."""
        for change in changes:
            yield Outcome(target_id=uuid.uuid4().hex) if change.op is Op.CREATE else DELIVERED

    async def check(self) -> Sequence[str]:
        """Open every secret. Raises ConfigError and TargetError."""
        for reader in self._options.tokens:
            refuse_short_token(self._context.secret(reader.secret), f"the token {reader.name}", TargetError)
        for name, webhook in self._options.webhooks.items():
            for secret in webhook.secrets:
                if not self._context.secret(secret).startswith("whsec_"):
                    raise TargetError(
                        f"the secret of the webhook {name} does not begin with whsec_",
                        "make a new one: echo whsec_$(openssl rand -base64 32)",
                    )
        if self._options.signing_key is not None:
            self._context.secret(self._options.signing_key)
        names = ", ".join(self._options.webhooks) or "none"
        return [f"a stream of events; webhooks: {names}; readers of the feed: {len(self._options.tokens)}"]

    async def close(self) -> None:
        pass
