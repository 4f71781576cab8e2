"""HTTP/1.1 for a fake: an asyncio server on loopback in its own thread, with h11 as the protocol."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

READ = 65536


@dataclass(frozen=True)
class Request:
    """One request. ``path`` is decoded, ``query`` has the last value of each name; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Reply:
    """One reply. ``cut``: the connection is closed after this part of the body (0 to 1)."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: float | None = None


Handler = Callable[[Request], Awaitable[Reply]]


class HttpServer:
    """Serves ``handler`` at :attr:`url` until :meth:`stop`. ``now`` gives the time of the header Date."""

    def __init__(self, handler: Handler, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._handler, self._now = handler, now
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake google", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close all connections and end the thread. May be called again."""
        if self._loop.is_closed():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        for task in (connections := list(self._connections)):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _run(self, work: Awaitable[asyncio.Server] | Awaitable[None]) -> asyncio.Server:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            connection = h11.Connection(h11.SERVER)
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Handle one request; return whether the connection stays open."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(READ))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                break
            else:
                return False
        reply = await self._handler(_request(head, bytes(body)))
        headers = {
            "Content-Type": "application/json; charset=UTF-8",
            "Date": format_datetime(self._now(), usegmt=True),
            **reply.headers,
            "Content-Length": str(len(reply.body)),
        }
        out = connection.send(h11.Response(status_code=reply.status, headers=list(headers.items()))) or b""
        if reply.cut is not None:
            writer.write(out + reply.body[: int(len(reply.body) * reply.cut)])
            await writer.drain()
            return False
        out += connection.send(h11.Data(data=reply.body)) or b""
        out += connection.send(h11.EndOfMessage()) or b""
        writer.write(out)
        await writer.drain()
        return connection.our_state is h11.DONE


def _request(head: h11.Request, body: bytes) -> Request:
    parts = urlsplit(head.target.decode())
    headers = {name.decode().lower(): value.decode() for name, value in head.headers}
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    method = head.method.decode()
    if headers.get("x-http-method-override") == "GET":
        method, query = "GET", {**query, **dict(parse_qsl(body.decode(), keep_blank_values=True))}
    return Request(method, unquote(parts.path), query, headers, body)
