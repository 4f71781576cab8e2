"""How fast events reach a receiver on this machine.

Run: ``python -m benchmarks.events [people]``. The stream of a first delivery is sent by the sender of the daemon to a
receiver in a process of its own: signed, in the order of each object, and acknowledged in the state database. The floor
is httpx alone, which posts the same bodies to the same receiver with as many requests at once, in the same run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
from tests.events.receiver import Hook
from tests.events.sending import Sending, webhook
from tests.events.world import StreamWorld

from usersyncd.core.events import to_json
from usersyncd.events.sender import AT_ONCE

LEAST = 1_000
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class _Receiver(asyncio.Protocol):
    """Answers requests with 200 as cheaply as possible: the sender is measured."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n") + 4) > 3:
            end += int(LENGTH.search(self._data[:end])[1])  # type: ignore[index]
            if len(self._data) < end:
                return
            self._data = self._data[end:]
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def _serve(connection: Any) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Receiver, "127.0.0.1", 0)
        connection.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook")
        await asyncio.to_thread(connection.recv)
        server.close()

    asyncio.run(serve())


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a receiver in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,))
    process.start()
    yield here.recv()
    here.send(None)
    process.join()


async def bare(url: str, bodies: list[bytes]) -> float:
    """The seconds that httpx takes for the same bodies."""
    left = iter(bodies)
    began = time.monotonic()
    async with httpx.AsyncClient(trust_env=False) as client:

        async def post() -> None:
            for body in left:
                await client.post(url, content=body, headers={"content-type": "text/plain"})

        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    return time.monotonic() - began


async def ours(stream: StreamWorld, url: str) -> float:
    """The seconds that the sender takes for the whole stream."""
    sending = Sending(stream, Hook(url))
    began = time.monotonic()
    await sending.until_idle(10_000)
    seconds = time.monotonic() - began
    await sending.sender.close()
    assert sending.status.waiting == 0
    return seconds


def main(people: int = 5_000) -> None:
    with tempfile.TemporaryDirectory() as folder, receiver() as url:
        stream = StreamWorld(Path(folder))
        stream.options = webhook()
        for number in range(people):
            stream.user(f"u{number}", userName=f"user{number}", displayName=f"Person {number}", title="Engineer")
        stream.run()
        bodies = [to_json(event.body) for event in stream.page(None, people).events]
        floor = asyncio.run(bare(url, bodies))
        seconds = asyncio.run(ours(stream, url))
        stream.database.close()
    print(
        f"{people:,} events to a local receiver: {people / seconds:,.0f}/s; httpx alone {people / floor:,.0f}/s; ",
        end="",
    )
    print(f"ratio {floor / seconds:.1f}")
    if people / seconds < LEAST:
        sys.exit(f"fewer than {LEAST:,}/s")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
