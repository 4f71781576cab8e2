"""The requests of one directory that wait to be saved."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from msgspec import Struct

from usersyncd.push.overlay import Outcome
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import Operation, StoredResource

MOST = 1_000
"""How many requests may wait."""
LONGEST = 25.0
"""Seconds that a request waits to be saved. Providers give up after 30 to 60 seconds."""
RETRY_AFTER = 10
"""Seconds after which a provider may repeat a request that was refused."""


class SeenResources(Struct, frozen=True):
    """A request that found resources while a full push is expected: they are noted as seen. ``refs``: of them."""

    refs: tuple[int, ...]


class Request:
    """One request. ``answer`` completes with its outcome."""

    def __init__(self, operation: Operation | SeenResources) -> None:
        self.operation = operation
        self.answer: asyncio.Future[StoredResource | None] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Outcome) -> None:
        """Answer the request, if somebody still waits for it."""
        if self.answer.done():
            return
        if isinstance(outcome, ScimError):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class RequestQueue:
    """A queue of limited length. ``directory``: its name, for messages."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._waiting: deque[Request] = deque()
        self._woken = asyncio.Event()
        self._closed = False

    async def ask(self, operation: Operation | SeenResources) -> StoredResource | None:
        """The outcome of a request. Raises ScimError: its own, or 503 if it was refused before it changed anything."""
        if self._closed:
            raise self.refusal("usersyncd is ending or loads another configuration")
        if len(self._waiting) >= MOST:
            raise self.refusal("too many requests wait")
        request = Request(operation)
        self._waiting.append(request)
        self._woken.set()
        patience = asyncio.get_running_loop().call_later(LONGEST, self._give_up, request)
        try:
            return await request.answer
        finally:
            patience.cancel()

    async def wait(self, seconds: float | None) -> bool:
        """Wait until a request waits, at most ``seconds``. Returns False after that time, or when the queue is closed
        and empty."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._waiting and not self._closed:
                    self._woken.clear()
                    await self._woken.wait()
        return bool(self._waiting)

    def take(self, most: int) -> list[Request]:
        """The requests that wait, oldest first. From now on they have to be settled."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        return [request for request in taken if not request.answer.done()]  # The provider may have hung up.

    def close(self) -> None:
        """Refuse new requests."""
        self._closed = True
        self._woken.set()

    def refuse_all(self, reason: str) -> None:
        """Refuse the requests that wait."""
        for request in self.take(len(self._waiting)):
            request.settle(self.refusal(reason))

    def refusal(self, reason: str) -> ScimError:
        """The error for a request that cannot be served now."""
        return ScimError(
            503, f"{self._directory}: the request was not served: {reason}", "repeat it later", retry_after=RETRY_AFTER
        )

    def _give_up(self, request: Request) -> None:
        with suppress(ValueError):  # It is being saved: its outcome is known soon.
            self._waiting.remove(request)
            request.settle(self.refusal("the state database was in use for too long"))
