"""A connection within bounds: the headers of a request must come soon and be short, and requests come one at a time.

uvicorn itself limits none of them: a client that sends a byte now and then would keep its connection, and one that
sends requests without reading the answers would fill the memory.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Mapping

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""Seconds from the connection, or the end of the last request, within which the headers have to arrive."""
HEADER_BYTES = 32 * 1024
"""The largest size of a request line and its headers together."""
CONNECTIONS = 1_000
"""The most connections. When another one comes, the oldest of those that never sent a request is closed."""

_REFUSALS: Mapping[int, bytes] = {
    status: f"HTTP/1.1 {status} {phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    for status, phrase in {408: "Request Timeout", 431: "Request Header Fields Too Large"}.items()
}


class BoundedConnection(HttpToolsProtocol):
    """One connection of a client."""

    _timer: TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True
    _is_silent = True
    _is_closing = False
    """What the client still sends is not read: it was refused, or it sent a request before the last one was answered.
    No client of ours pipelines."""
    _opened = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._opened = self.loop.time()
        if len(self.connections) > CONNECTIONS:
            self._close_a_silent_one()
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        if self._in_headers:
            self._header_bytes += len(data)
            if self._timer is None:
                self._await_headers()
        super().data_received(data)
        if self._is_closing or self.transport.is_closing():
            return
        # What the parser took as the end of headers may be followed by a body: only unfinished headers count.
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self._refuse(431)
        # The request was answered without its body: what is left of it must not come for ever.
        elif not self._in_headers and self.cycle.response_complete and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._refuse, 408)

    def on_message_begin(self) -> None:
        if not self._is_closing:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_closing:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_closing:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_closing:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._is_closing, self.cycle.keep_alive = True, False
            return
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEADER_BYTES:
            self._refuse(431)
            return
        self._in_headers = self._is_silent = False
        self._header_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._is_closing:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_closing:
            return
        super().on_message_complete()
        self._in_headers = True
        self._stop_timer()

    def _await_headers(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._refuse, 408)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int) -> None:
        self._stop_timer()
        self._is_closing = True
        if not self.transport.is_closing():
            self.transport.write(_REFUSALS[status])
            self.transport.close()

    def _close_a_silent_one(self) -> None:
        """Make room: connections that send nothing must not keep others out."""
        others = (each for each in self.connections if isinstance(each, BoundedConnection) and each is not self)
        silent = [each for each in others if each._is_silent]
        if silent:
            oldest = min(silent, key=lambda each: each._opened)
            self.connections.discard(oldest)
            oldest.transport.abort()
