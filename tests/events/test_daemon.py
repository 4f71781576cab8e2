"""The whole way: a file changes, the daemon delivers and is killed, a receiver verifies, a reader follows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.events.receiver import Hook, receiving
from tests.events.sending import SECRET, in_order
from tests.events.world import Follower
from tests.servers.process import free_port
from tests.system.daemon import daemon

TOKEN = "f" * 40


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver in a thread of its own."""
    ready, end = threading.Event(), threading.Event()
    made: list[Hook] = []

    async def serve() -> None:
        async with receiving() as found:
            made.append(found)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    yield made[0]
    end.set()
    thread.join()


def write(folder: Path, people: int, members: int) -> None:
    rows = "".join(f"u{number},user{number}\n" for number in range(people))
    (folder / "users.csv").write_text(f"id,userName\n{rows}")
    (folder / "groups.csv").write_text("id,displayName\ng1,Team\n")
    edges = "".join(f"g1,u{number}\n" for number in range(members))
    (folder / "members.csv").write_text(f"group_id,member_id\n{edges}")


def test_events_survive_a_kill_and_reach_the_receiver_and_the_reader(tmp_path: Path, hook: Hook) -> None:
    port = free_port()
    write(tmp_path, 300, 50)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "hook").write_text(SECRET)
    config = tmp_path / "usersyncd.yaml"
    config.write_text(
        f"""
state: sqlite:///state.db
web: {{listen: 127.0.0.1:{port}, url: "http://127.0.0.1:{port}"}}
directories:
  acme:
    connector: csv
    every: 1s
    options: {{users: users.csv, groups: groups.csv, members: members.csv}}
targets:
  app:
    connector: events
    options:
      webhooks:
        crm: {{url: "{hook.url}", secrets: [{{file: hook}}], allow_private_addresses: true}}
      tokens:
        - {{name: crm, secret: {{file: token}}}}
""".replace("    guard: off\n", "")
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    with daemon(config) as running:
        running.wait("the first events", lambda: len(hook.accepted) > 20)
        running.process.kill()
        running.process.wait()
    write(tmp_path, 320, 60)
    with daemon(config) as running:
        everything = set(range(1, 382))
        running.wait("all events", lambda: {event["sequence"] for event in list(hook.accepted)} >= everything)
        follower = Follower()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers) as http:
            query: dict[str, Any] = {"limit": 100}
            events: list[dict[str, Any]] = []
            while True:
                page = http.get("/api/v1/events", params=query).raise_for_status().json()
                events += page["events"]
                if not page["more"]:
                    break
                query["after"] = page["cursor"]
            assert http.get("/api/v1/events", headers={"authorization": "Bearer wrong"}).status_code == 401
            assert http.get("/.well-known/jwks.json").json() == {"keys": []}
    assert [event["sequence"] for event in events] == list(range(1, 382))
    for event in events:
        follower.take(event)
    assert len(follower.objects) == 321
    assert len(follower.edges) == 60
    sent = {event["id"]: event for event in hook.accepted}
    assert sent == {event["id"]: event for event in events}
    first = {event["id"]: event for event in reversed(hook.accepted)}
    assert in_order(sorted(first.values(), key=lambda one: one["sequence"]))
    for request in hook.received[-20:]:
        Webhook(SECRET).verify(request.body, request.headers)
