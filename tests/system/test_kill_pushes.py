"""A daemon that is killed while a directory pushes loses nothing that it answered, and doubles nothing."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct, field

from tests.pages import free_port
from tests.web.daemon import RunningDaemon, daemon

CONFIG = """\
state: sqlite:///state.db
directories:
  acme: {connector: scim, options: {tokens: [{name: first, secret: {env: PUSH}}], quota: {requests_per_minute: 600000}}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web: {listen: "127.0.0.1:8470", url: "http://127.0.0.1:8470"}
"""
TOKEN = "push-" + "t" * 30
PEOPLE = 240
CLIENTS = 8
KILLS = 6
SECONDS = 60.0
SEED = 20261128


class Provider(Struct):
    """A provider that repeats a request until it is answered. ``answered``: the ids of the users, by name.
    ``unanswered``: how many creates were saved by a daemon that was killed before it answered them."""

    url: str
    club: str = ""
    answered: dict[str, str] = field(default_factory=dict)
    unanswered: int = 0

    async def send(self, client: httpx.AsyncClient, method: str, path: str, body: Any) -> httpx.Response:
        """The answer to a request, repeated as often as the daemon is killed."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await client.request(method, f"/scim/v2/acme/{path}", json=body)
                if answer.status_code != 503:
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)
        raise AssertionError(f"{method} {path} was not answered")

    async def provision(self, client: httpx.AsyncClient, name: str) -> None:
        """Create a user and put it into the club."""
        created = await self.send(client, "POST", "Users", {"schemas": [f"{CORE}:User"], "userName": name})
        if created.status_code == 409:
            self.unanswered += 1
            created = await self.send(client, "GET", f'Users?filter=userName eq "{name}"', None)
            [user] = created.json()["Resources"]
        else:
            assert created.status_code == 201, created.text
            user = created.json()
        self.answered[name] = user["id"]
        step = {"op": "add", "path": "members", "value": [{"value": user["id"]}]}
        patched = await self.send(client, "PATCH", f"Groups/{self.club}", {"schemas": [PATCH], "Operations": [step]})
        assert patched.status_code == 204, patched.text

    async def begin(self) -> None:
        async with self.client() as client:
            body = {"schemas": [f"{CORE}:Group"], "displayName": "club"}
            self.club = (await self.send(client, "POST", "Groups", body)).json()["id"]

    async def work(self, names: list[str]) -> None:
        async with self.client() as client:
            while names:
                await self.provision(client, names.pop())

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {TOKEN}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=SECONDS)


CORE = "urn:ietf:params:scim:schemas:core:2.0"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def test_what_was_answered_is_in_the_snapshot_and_in_the_target(tmp_path: Path) -> None:
    port = free_port()
    provider = Provider(f"http://127.0.0.1:{port}")
    names = [f"user{number}" for number in range(PEOPLE)]

    async def run() -> None:
        task: asyncio.Future[list[None]] | None = None
        for place in range(KILLS + 1):
            with daemon(tmp_path, CONFIG, {"PUSH": TOKEN}, port) as running:
                if task is None:
                    await provider.begin()
                    left = list(reversed(names))
                    task = asyncio.gather(*(provider.work(left) for _ in range(CLIENTS)))
                if place < KILLS:
                    await asyncio.to_thread(kill_after_commits, running, random.Random(SEED + place).randint(1, 6))
                elif task is not None:
                    await task
                    await asyncio.to_thread(wait_for_the_target, tmp_path)

    asyncio.run(run())
    assert rows(tmp_path / "state.db", "SELECT id FROM records WHERE kind = 0 AND gone_at IS NULL") == sorted(
        provider.answered.values()
    )
    assert rows(tmp_path / "app.db", "SELECT user_name FROM users") == sorted(names)
    assert provider.unanswered, "no daemon was killed between a commit and its answer"


def kill_after_commits(running: RunningDaemon, commits: int) -> None:
    """Kill the daemon as soon as this many commits of pushes are visible: their answers may not be out yet."""
    with closing(sqlite3.connect(running.folder / "state.db")) as state:
        last, seen, deadline = None, -1, time.monotonic() + SECONDS
        while seen < commits:
            assert time.monotonic() < deadline, running.log
            [now] = state.execute("SELECT revision FROM directories").fetchone()
            if now != last:
                last, seen = now, seen + 1
    running.kill()


def wait_for_the_target(folder: Path) -> None:
    deadline = time.monotonic() + SECONDS
    wanted = [PEOPLE], [PEOPLE]
    while wanted != (found := (count(folder, "users"), count(folder, "group_members"))):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def count(folder: Path, table: str) -> list[Any]:
    return rows(folder / "app.db", f"SELECT count(*) FROM {table}")


def rows(file: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as database:
        found: Iterable[Any] = database.execute(query).fetchall()
    return sorted(value for (value,) in found)
