"""Limits for all requests: how many at once, how large, and how long; and no traceback in an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from usersyncd.web.answers import busy, refusal

REQUESTS = 512
"""The largest number of requests that are answered at the same time."""
BODY_BYTES = 64 * 1024
"""The largest body of a request, unless the scope has another limit under :data:`BODY_LIMIT`."""
BODY_LIMIT = "usersyncd.body_limit"
ALL_BODIES = 64 * 1024 * 1024
"""The largest size of the bodies of all requests that are answered at the same time."""
BODY_SECONDS = 30.0
"""Seconds within which a body has to arrive."""
DISCARD_SECONDS = 2.0
"""Seconds for which the rest of a refused body is read."""
ANSWER_SECONDS = 60.0
"""Seconds that an answer may take, including the time that the client needs to receive it."""
HEALTH = ("/livez", "/readyz")
"""What is answered at any time, however many requests there are."""


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Limits:
    """ASGI middleware around the whole application. A body is read when the application asks for it: until then, the
    client is not known. ``why_busy``: why nothing can be answered now; None: it can."""

    def __init__(self, app: ASGIApp, why_busy: Callable[[], str | None]) -> None:
        self._app = app
        self._why_busy = why_busy
        self._requests = 0
        self._bodies = _AllBodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] in HEALTH:
            await self._answer(scope, receive, send)
            return
        if (why := self._why_not()) is not None:
            await busy(scope, why)(scope, receive, send)
            return
        self._requests += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._requests -= 1

    def _why_not(self) -> str | None:
        return "too many requests are being answered" if self._requests >= REQUESTS else self._why_busy()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer, body = _Answer(send), _BoundedBody(self._bodies, scope, receive)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._app(scope, body.receive, answer.send)
        except ClientDisconnect:
            return
        except _RefusedError as error:
            await body.discard()
            await refusal(scope, error.status, error.detail, {"connection": "close"})(scope, receive, send)
        except TimeoutError:
            if answer.began:
                raise  # uvicorn closes the connection: the client sees that the answer is incomplete.
            await busy(scope, "the answer takes too long", 10)(scope, receive, send)
        except Exception:
            structlog.get_logger().exception(
                "unexpected error: this is a fault of usersyncd: report it with this log",
                event_name="web.crashed", method=scope["method"], path=scope["path"],
            )  # fmt: skip
            if answer.began:
                raise
            await refusal(scope, 500, "this is a fault of usersyncd: its log says more")(scope, receive, send)
        finally:
            body.forget()


class _AllBodies:
    """The size of all bodies that are in memory."""

    size = 0


class _BoundedBody:
    """The body of one request, within its limits."""

    def __init__(self, all_bodies: _AllBodies, scope: Scope, receive: Receive) -> None:
        self._all = all_bodies
        self._scope = scope
        self._receive = receive
        self._size = 0
        self._ended = False
        self._began: float | None = None

    async def receive(self) -> Message:
        """The next part. Raises _RefusedError."""
        if self._ended:
            return await self._receive()  # Whether the client disconnects.
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now
            self._check(_declared(self._scope))
        try:
            async with asyncio.timeout(max(0, self._began + BODY_SECONDS - now)):
                message = await self._receive()
        except TimeoutError:
            raise _RefusedError(408, f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None
        self._ended = not message.get("more_body", False)
        part = len(message.get("body", b""))
        self._size += part
        self._all.size += part
        self._check(self._size)
        return message

    def _check(self, size: int) -> None:
        most = self._scope.get(BODY_LIMIT, BODY_BYTES)
        if size > most:
            raise _RefusedError(413, f"the body has more than {most:,} bytes")
        if self._all.size > ALL_BODIES:
            raise _RefusedError(503, "too many large requests are being answered")

    async def discard(self) -> None:
        """Read the rest of a body that was refused, within limits: a client that is still sending would see a
        connection that was reset, instead of the answer."""
        left = ALL_BODIES
        with suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._ended and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._ended = not message.get("more_body", False)

    def forget(self) -> None:
        """The request is answered: its body is not in memory any more."""
        self._all.size -= self._size
        self._size = 0


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


class _Answer:
    """Notes whether an answer began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False

    async def send(self, message: Message) -> None:
        self.began = True
        await self._send(message)
