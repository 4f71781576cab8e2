"""Pushes of a directory: through HTTP into the snapshot, durable, on SQLite.

Run: ``python -m benchmarks.scim_in [people]``. A daemon in a process of its own receives POST /Users on 25 connections,
and delivers meanwhile. The floor is the example server of scim2-server, which keeps resources in memory, with the same
client in the same run. Then one member at a time enters a group of 50,000: the time until the answer, and until the
membership is in the SQL target. ``people``: how many users are pushed, 4,000 by default; 100,000 for the memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.pages import free_port
from tests.web.daemon import COMMAND, daemon

from usersyncd.config import load
from usersyncd.job import jobs
from usersyncd.opening import open_state
from usersyncd.plugin import Kind
from usersyncd.push.commit import commit
from usersyncd.recording import now
from usersyncd.scim.store import CreateResource, StoredResource
from usersyncd.state.directories import open_directory

CONNECTIONS = 25
PEOPLE = 4_000
FLOOR_PEOPLE = 1_000
MEMBERS = 50_000
PATCHES = 20
CHUNK = 5_000
"""How many users are saved together to fill the large group."""
LEAST = 500
RATIO = 1.5
TOKEN = "push-" + "t" * 30
CONFIG = """
state: sqlite:///state.db
directories:
  acme:
    connector: scim
    options: {tokens: [{name: first, secret: {env: PUSH}}], quota: {requests_per_minute: 6000000, body: 16000000}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web: {listen: "127.0.0.1:8470", url: "http://127.0.0.1:8470"}
"""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
MEMBERSHIP = "group_members WHERE directory = 'acme' AND group_id = ? AND member_id = ?"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Connection:
    """A client as cheap as possible: it reads answers by their length. It connects again if the server closes."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, body: object) -> bytes:
        """The body of the answer. Raises RuntimeError unless the request succeeded."""
        content = json.dumps(body).encode()
        head = (
            f"{method} {self._path}/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/scim+json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(head.encode() + content)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines if line)
        answer = await reader.readexactly(int(headers.get(b"content-length", 0)))
        if status.startswith(b"HTTP/1.0") or headers.get(b"connection") == b"close":
            self.close()
        if not status.split()[1].startswith(b"2"):
            raise RuntimeError(f"{method} {path}: {status.decode()} {answer[:200].decode()}")
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def person(number: int) -> dict[str, Any]:
    return {
        "schemas": [USER],
        "externalId": f"e{number}",
        "userName": f"person{number}@acme.example",
        "name": {"givenName": "Ada", "familyName": f"Lovelace {number}"},
        "emails": [{"type": "work", "value": f"person{number}@acme.example", "primary": True}],
        "active": True,
    }


async def push(port: int, path: str, people: int) -> float:
    """Create people on all connections; requests per second."""
    left = iter(range(people))

    async def work() -> None:
        connection = Connection(port, path)
        for number in left:
            await connection.send("POST", "Users", person(number))
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return people / (time.perf_counter() - began)


@contextmanager
def example_server(folder: Path) -> Iterator[int]:
    """The port of scim2-server, as its command line starts it."""
    port = free_port()
    command = [str(COMMAND.with_name("scim2-server")), "--port", str(port), "--bearer-token", TOKEN]
    with (folder / "example.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


async def until_listening(port: int) -> None:
    for _ in range(300):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise RuntimeError("the server does not listen")


def fill(folder: Path) -> str:
    """Save a group of 50,000 users, as if they had been pushed. Returns its id."""
    (folder / "fill.yaml").write_text(CONFIG.replace("state.db", f"{folder}/state.db"))
    config = load(folder / "fill.yaml")
    job, database = jobs(config)["acme"], open_state(config)
    users: list[str] = []
    try:
        for start in range(0, MEMBERS, CHUNK):
            requests = [CreateResource(Kind.USER, dict(person(start + n)), ()) for n in range(CHUNK)]
            saved = commit(database, open_directory(database, "acme"), job, requests, now())
            users += [outcome.id for outcome in saved.outcomes if isinstance(outcome, StoredResource)]
        group = CreateResource(Kind.GROUP, {"schemas": [GROUP], "displayName": "all"}, tuple(users))
        [outcome] = commit(database, open_directory(database, "acme"), job, [group], now()).outcomes
    finally:
        database.close()
    if not isinstance(outcome, StoredResource):
        raise TypeError(outcome)
    return outcome.id


async def patch_a_large_group(port: int, path: str, group: str, folder: Path) -> tuple[float, float, float]:
    """Milliseconds until the answer to a PATCH that adds a member to a group of 50,000, seconds until the target has
    the membership, and milliseconds until the disk has as many bytes as the commit writes: the medians."""
    connection = Connection(port, path)
    target = folder / "app.db"
    answered, delivered, floor = [], [], []
    await until_held(target, f"group_members LIMIT 1 OFFSET {MEMBERS - 1}")
    created = [await connection.send("POST", "Users", person(10_000_000 + number)) for number in range(PATCHES)]
    users = [json.loads(answer)["id"] for answer in created]
    await until_held(target, "users WHERE directory = 'acme' AND id = ?", users[-1])
    with (folder / "floor").open("wb", buffering=0) as file:
        for user in users:
            step = {"op": "add", "path": "members", "value": [{"value": user}]}
            began = time.perf_counter()
            await connection.send("PATCH", f"Groups/{group}", {"schemas": [PATCH], "Operations": [step]})
            answered.append(1000 * (time.perf_counter() - began))
            await until_held(target, MEMBERSHIP, group, user)
            delivered.append(time.perf_counter() - began)
            began = time.perf_counter()
            file.write(bytes(12 * MEMBERS))
            os.fdatasync(file.fileno())
            floor.append(1000 * (time.perf_counter() - began))
    connection.close()
    return statistics.median(answered), statistics.median(delivered), statistics.median(floor)


async def until_held(target: Path, what: str, *ids: str) -> None:
    with closing(sqlite3.connect(target)) as database:
        for _ in range(12_000):
            with suppress(sqlite3.OperationalError):  # The daemon creates the tables first.
                if database.execute(f"SELECT 1 FROM {what}", ids).fetchone():
                    return
            await asyncio.sleep(0.005)
    raise RuntimeError(f"{target} does not have {ids}")


def megabytes(process: int) -> int:
    """The greatest memory that a process has used so far."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else PEOPLE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with example_server(folder) as port:
            asyncio.run(until_listening(port))
            floor = asyncio.run(push(port, "", FLOOR_PEOPLE))
        port = free_port()
        with daemon(folder, CONFIG, {"PUSH": TOKEN}, port) as running:
            rate = asyncio.run(push(port, "/scim/v2/acme", people))
            memory = megabytes(running.process.pid)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        group = fill(folder)
        with daemon(folder, CONFIG, {"PUSH": TOKEN}, port):
            answer, target, disk = asyncio.run(patch_a_large_group(port, "/scim/v2/acme", group, folder))
    print(
        f"POST /Users, {CONNECTIONS} connections: {rate:,.0f}/s; scim2-server {floor:,.0f}/s; ratio {rate / floor:.1f}"
    )
    print(f"memory after {people:,} users: {memory} MB")
    print(
        f"PATCH of one member into {MEMBERS:,}: {answer:.1f} ms, of which the disk {disk:.1f} ms; "
        f"in the target after {target:.2f} s"
    )
    if rate < LEAST or rate < RATIO * floor:
        sys.exit(f"fewer than {LEAST}/s, or than {RATIO} times as many as scim2-server")
    if answer > 20 or target > 1:
        sys.exit("more than 20 ms, or more than a second")


if __name__ == "__main__":
    main()
