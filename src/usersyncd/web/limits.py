"""Limits for all requests: how many at once, how large, and how long; and no traceback in an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from usersyncd.web.answers import busy, refusal

REQUESTS = 512
"""The largest number of requests that are answered at the same time."""
BODY_BYTES = 10 * 1024 * 1024
"""The largest body of one request: a group of 50,000 members takes about 5 MB."""
ALL_BODIES = 64 * 1024 * 1024
"""The largest size of the bodies of all requests that are answered at the same time."""
BODY_SECONDS = 30.0
"""Seconds within which a body has to arrive."""
DISCARD_SECONDS = 2.0
"""Seconds for which the rest of a refused body is read."""
ANSWER_SECONDS = 60.0
"""Seconds that an answer may take, including the time that the client needs to receive it."""


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str, *, unread: bool = True) -> None:
        """``unread``: a part of the body is still to come."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.unread = unread


class Limits:
    """ASGI middleware around the whole application. ``why_busy``: why nothing can be answered now; None: it can."""

    def __init__(self, app: ASGIApp, why_busy: Callable[[], str | None]) -> None:
        self._app = app
        self._why_busy = why_busy
        self._requests = 0
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if (why := self._why_not(scope)) is not None:
            await busy(scope, why)(scope, receive, send)
            return
        self._requests += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._requests -= 1

    def _why_not(self, scope: Scope) -> str | None:
        if scope["path"] == "/livez":
            return None
        if self._requests >= REQUESTS:
            return "too many requests are being answered"
        return None if scope["path"] == "/readyz" else self._why_busy()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        size = 0
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await self._read(scope, receive)
                size = len(body)
                self._bytes += size
                await self._app(scope, _replay(body, receive), answer.send)
        except _RefusedError as error:
            if error.unread:
                await _discard(receive)
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
            self._bytes -= size

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body. Raises _RefusedError."""
        parts: list[bytes] = []
        size = 0
        if _declared(scope) > BODY_BYTES:
            raise _RefusedError(413, f"the body has more than {BODY_BYTES:,} bytes")
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _RefusedError(
                            400, "the client closed the connection before the end of the body", unread=False
                        )
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    if size > BODY_BYTES:
                        raise _RefusedError(413, f"the body has more than {BODY_BYTES:,} bytes", unread=more)
                    if size + self._bytes > ALL_BODIES:
                        raise _RefusedError(503, "too many large requests are being answered", unread=more)
                    parts.append(part)
                    if not more:
                        return b"".join(parts)
        except TimeoutError:
            raise _RefusedError(408, f"the body did not arrive within {BODY_SECONDS:.0f} seconds") from None


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that yields a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def _discard(receive: Receive) -> None:
    """Read the rest of a body that was refused, within limits: a client that is still sending would see a connection
    that was reset, instead of the answer."""
    left = BODY_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class _Answer:
    """Notes whether an answer began."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.began = False

    async def send(self, message: Message) -> None:
        self.began = True
        await self._send(message)
