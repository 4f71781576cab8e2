"""A webhook receiver on loopback that answers as it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct, field

CUT = "cut"
"""The answer that ends the connection."""


class Received(Struct):
    """A request that arrived."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found


Answer = Callable[[Received], Awaitable[Any]]


class Hook(Struct):
    """What a receiver got. ``answer``: returns a status, or a status with headers and a body, or CUT."""

    url: str = ""
    answer: Answer | None = None
    received: list[Received] = field(default_factory=list)
    accepted: list[dict[str, Any]] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    connections: int = 0

    async def handle(self, request: Received) -> Any:
        self.received.append(request)
        is_json = request.headers.get("content-type") == "application/json"
        name = request.event["object"]["id"] if is_json else ""
        assert not name or not self.busy.get(name), "two requests for one object at the same time"
        self.busy[name] = 1
        self.most_at_once = max(self.most_at_once, sum(self.busy.values()))
        try:
            found = await self.answer(request) if self.answer else 200
        finally:
            self.busy[name] = 0
        status = found if isinstance(found, int) else found[0] if isinstance(found, tuple) else 0
        if 200 <= status < 300 and is_json:
            self.accepted.append(request.event)
        return found


@asynccontextmanager
async def receiving(answer: Answer | None = None, ssl: Any = None) -> AsyncIterator[Hook]:
    """A receiver on a free port."""
    hook = Hook(answer=answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hook.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                found = await hook.handle(Received(headers, body))
                if found == CUT:
                    break
                status, more, content = (found, {}, b"") if isinstance(found, int) else found
                shown = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{shown}content-length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl)
    port = server.sockets[0].getsockname()[1]
    hook.url = f"http{'s' if ssl else ''}://127.0.0.1:{port}/hook"
    try:
        yield hook
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None
