"""A connection that does not wait for ever: the headers of a request must come soon, and must not be long.

uvicorn itself limits neither of them, so that a client that sends a byte now and then would keep its connection.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""Seconds from the connection, or the end of the last request, within which the headers have to arrive."""
HEADER_BYTES = 32 * 1024
"""The largest size of a request line and its headers together."""

_REFUSALS: Mapping[int, bytes] = {
    status: (f"HTTP/1.1 {status} {phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
    for status, phrase in {408: "Request Timeout", 431: "Request Header Fields Too Large"}.items()
}


class BoundedConnection(HttpToolsProtocol):
    """One connection of a client."""

    _timer: TimerHandle | None = None
    _header_bytes = 0
    _in_headers = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
            if self._timer is None:
                self._await_headers()
        super().data_received(data)
        # What the parser took as the end of headers may be followed by a body: only unfinished headers count.
        if self._in_headers and self._header_bytes > HEADER_BYTES and not self.transport.is_closing():
            self._refuse(431)
        # The request was answered without its body: what is left of it must not come for ever.
        if not self._in_headers and self.cycle.response_complete and self._timer is None:
            self._timer = self.loop.call_later(HEADER_SECONDS, self._refuse, 408)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
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
        if not self.transport.is_closing():
            self.transport.write(_REFUSALS[status])
            self.transport.close()

    def __repr__(self) -> str:
        peer: Any = self.client
        return f"<connection of {peer}>"
