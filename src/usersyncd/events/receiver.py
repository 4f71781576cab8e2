"""Posts messages to a webhook, and says what its answer means."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import httpcore
from msgspec import Struct

from usersyncd.errors import ConfigError
from usersyncd.events.addresses import ForbiddenAddressError, PublicBackend
from usersyncd.events.messages import EventMessage
from usersyncd.plugin import http_date, quoted

TIMEOUT = 20.0
"""Seconds that one request may take."""
CONNECT_TIMEOUT = 10.0
"""Seconds within which a connection is made."""
SHOWN = 300
"""The most characters of an answer that an error quotes."""
_BODY = 4096
_CONNECTING = {"timeout": {"connect": CONNECT_TIMEOUT}}
_THROTTLED = (429, 502, 503, 504)


class ReplyMeaning(Enum):
    """What an answer means. DELIVERED: 2xx. REFUSED: this event is refused. UNANSWERED: this event was sent and got
    no answer. UNAVAILABLE: the receiver as a whole cannot take events now. DISABLED: it wants no more events (410)."""

    DELIVERED = 1
    REFUSED = 2
    UNANSWERED = 3
    UNAVAILABLE = 4
    DISABLED = 5


class Reply(Struct, frozen=True):
    """The answer to a message. ``wait``: what Retry-After asks for."""

    meaning: ReplyMeaning
    error: str | None = None
    wait: timedelta | None = None


class WebhookReceiver:
    """A webhook by its URL. Redirects are not followed, and proxies of the environment are not used."""

    def __init__(self, url: str, *, private: bool, ca_file: Path | None = None) -> None:
        """Raises ConfigError if the file with certificates cannot be used."""
        self._url = url
        try:
            trusted = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except (OSError, ssl.SSLError) as error:
            reason = f"ca_file {ca_file} cannot be used: {error}"
            raise ConfigError(reason, "name a file of certificates (PEM)") from None
        self._trusted = trusted
        self._backend = PublicBackend(private=private)
        self._connections: list[httpcore.AsyncConnectionPool] = []
        self._free: list[httpcore.AsyncConnectionPool] = []

    async def post(self, message: EventMessage) -> Reply:
        """Post a message. Never raises for what the receiver does."""
        connection = self._free.pop() if self._free else self._new()
        try:
            return await self._post(connection, message)
        finally:
            self._free.append(connection)

    def _new(self) -> httpcore.AsyncConnectionPool:
        """A pool of one connection, which connects again when it has to. A pool of many looks at all of its connections
        twice in each request, which takes more time than the request."""
        pool = httpcore.AsyncConnectionPool(
            ssl_context=self._trusted, max_connections=1, keepalive_expiry=60, network_backend=self._backend
        )
        self._connections.append(pool)
        return pool

    async def _post(self, connection: httpcore.AsyncConnectionPool, message: EventMessage) -> Reply:
        headers: dict[bytes | str, bytes | str] = {"user-agent": "usersyncd", "accept": "application/json"}
        headers.update(message.headers)
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                connection.stream(
                    "POST", self._url, headers=headers, content=message.body, extensions=_CONNECTING
                ) as response,
            ):
                body = b""
                async for part in response.aiter_stream():
                    body += part[: _BODY - len(body)]
                    if len(body) >= _BODY:
                        break
        except ForbiddenAddressError as error:
            return Reply(ReplyMeaning.UNAVAILABLE, f"{error}: set allow_private_addresses if that is intended")
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            return Reply(ReplyMeaning.UNAVAILABLE, quoted(str(error) or "it cannot be connected to", SHOWN))
        except TimeoutError:
            return Reply(ReplyMeaning.UNANSWERED, f"there was no answer within {TIMEOUT:.0f} seconds")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return Reply(ReplyMeaning.UNANSWERED, quoted(str(error) or type(error).__name__, SHOWN))
        return _reply(response, body)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.aclose()


def _reply(response: httpcore.Response, body: bytes) -> Reply:
    status = response.status
    if 200 <= status < 300:
        return Reply(ReplyMeaning.DELIVERED)
    text = quoted(body.decode(errors="replace").strip(), SHOWN)
    error = f"HTTP {status}{': ' if text else ''}{text}"
    if status == 410:
        return Reply(ReplyMeaning.DISABLED, error)
    if status in _THROTTLED:
        return Reply(ReplyMeaning.UNAVAILABLE, error, _wait(response))
    return Reply(ReplyMeaning.REFUSED, error, _wait(response))


def _wait(response: httpcore.Response) -> timedelta | None:
    """What Retry-After asks for: seconds, or a date (RFC 9110, section 10.2.3)."""
    for name, value in response.headers:
        if name.lower() == b"retry-after":
            text = value.decode("ascii", "replace").strip()
            if text.isdecimal():
                return timedelta(seconds=min(int(text[:9]), 10**6))
            moment = http_date(text)
            return None if moment is None else max(moment - datetime.now(UTC), timedelta(0))
    return None
