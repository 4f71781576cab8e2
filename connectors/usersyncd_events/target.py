"""The events target. It writes nothing itself: the journal of usersyncd is its stream."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from pydantic import BaseModel

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
        names = ", ".join(self._options.webhooks) or "none"
        return [f"a stream of events; webhooks: {names}; readers of the feed: {len(self._options.tokens)}"]

    async def close(self) -> None:
        pass
