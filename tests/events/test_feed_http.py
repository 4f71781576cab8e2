"""The feed and the snapshot over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.routing import Router
from structlog.testing import capture_logs

from tests.events.test_cursors import age
from tests.events.world import Follower, StreamWorld
from usersyncd.core.cursors import Position, write_cursor
from usersyncd.state import streams
from usersyncd.web import waiting
from usersyncd.web.auth import Credentials, Doorkeeper
from usersyncd.web.events import routes
from usersyncd.web.gates import Entrance, Gate

TOKENS = {"app": "right", "other": "another"}


@pytest.fixture
def stream(state: str, tmp_path: Any) -> Iterator[StreamWorld]:
    made = StreamWorld(tmp_path, state=state)
    yield made
    made.database.close()


def client(stream: StreamWorld, token: str = "right") -> httpx.AsyncClient:
    entrances = {name: Entrance(Credentials([("reader", text)]), lambda _token: 0) for name, text in TOKENS.items()}
    gate = Gate("target", entrances, Doorkeeper(), ())
    app = Router(routes(stream.database, lambda: ["app", "other"], gate.enter, lambda: {"keys": []}))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://usersyncd",
        headers={"authorization": f"Bearer {token}"},
    )


async def test_an_application_reads_the_snapshot_and_follows_the_feed(stream: StreamWorld) -> None:
    stream.people("u1", "u2", "u3")
    stream.group("g1", "u1", "u2")
    await asyncio.to_thread(stream.run)
    follower = Follower()
    async with client(stream) as http:
        page: dict[str, Any] = {"target": "app", "limit": 2}
        while True:
            found = (await http.get("/api/v1/snapshot", params=page)).json()
            follower.load(found)
            if found["next"] is None:
                break
            page["page"] = found["next"]
        stream.group("g1", "u3")
        await asyncio.to_thread(stream.run)
        cursor, more = follower.cursor, True
        while more:
            answer = await http.get("/api/v1/events", params={"target": "app", "after": cursor, "limit": 1})
            assert answer.headers["cache-control"] == "no-store"
            found = answer.json()
            for event in found["events"]:
                follower.take(event)
            cursor, more = found["cursor"], found["more"]
    assert follower.content() == stream.snapshot().content()
    assert len(follower.numbers) == 3


async def test_one_event_is_read_by_its_id(stream: StreamWorld) -> None:
    stream.people("u1")
    stream.group("g1", "u1")
    await asyncio.to_thread(stream.run)
    async with client(stream) as http:
        for event in stream.events():
            assert (await http.get(f"/api/v1/events/{event['id']}", params={"target": "app"})).json() == event
        for wrong in (
            "%00-0",
            "a%00b-0",
            "x",
            "a-b",
            f"{event['id']}-9",
            event["id"].partition("-")[0] + "-0-0-0",
            "x-99999999999",
        ):
            assert (await http.get(f"/api/v1/events/{wrong}", params={"target": "app"})).status_code == 404


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
async def test_a_token_opens_its_own_stream_only(stream: StreamWorld) -> None:
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    [event] = stream.events()
    paths = ("/api/v1/events", "/api/v1/snapshot", f"/api/v1/events/{event['id']}")
    for token, target, status in [
        ("right", "app", 200), ("another", "app", 401), ("", "app", 401), ("right", "other", 401),
        ("right", "nothing", 401), ("right", "", 401), ("another", "other", 404),
    ]:  # fmt: skip
        async with client(stream, token) as http:
            for path in paths:
                assert (await http.get(path, params={"target": target})).status_code == status, (token, target, path)
    async with client(stream) as http:
        assert (await http.get("/api/v1/events")).status_code == 401  # There are two streams.


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=²",
        "types=user.exploded",
        "after=nonsense",
        "wait=soon",
        "wait=51s",
        "limit=-1",
    ],
)
async def test_a_query_that_cannot_be_answered_says_why(stream: StreamWorld, query: str) -> None:
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    async with client(stream) as http:
        answer = await http.get(f"/api/v1/events?target=app&{query}")
    assert answer.status_code == 400
    assert answer.json()["detail"]


async def test_a_pruned_cursor_gets_410_with_the_remedy(stream: StreamWorld) -> None:
    stream.people("u1", "u2")
    await asyncio.to_thread(stream.run)
    old = stream.page(limit=1).cursor
    await asyncio.to_thread(age, stream, 31)
    stream.people("u3")
    await asyncio.to_thread(stream.run)
    async with client(stream) as http:
        answer = await http.get("/api/v1/events", params={"target": "app", "after": old})
    assert answer.status_code == 410
    assert "GET /api/v1/snapshot" in answer.json()["detail"]


@pytest.mark.parametrize("state", ["sqlite"], indirect=True)
async def test_a_restored_state_is_logged_once(stream: StreamWorld) -> None:
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    with stream.database.read() as connection:
        found = streams.by_name(connection, "app")
    assert found is not None
    lost = write_cursor(Position(found.epoch, 500, b"12345678"), found.key)
    async with client(stream) as http:
        with capture_logs() as logs:
            for _ in range(2):
                answer = await http.get("/api/v1/events", params={"target": "app", "after": lost})
                assert answer.status_code == 410
    [line] = [one for one in logs if one["event_name"] == "events.restored"]
    assert (line["log_level"], line["target"], line["reader"]) == ("warning", "app", "reader")


async def test_a_reader_that_waits_gets_the_event_when_it_comes(stream: StreamWorld) -> None:
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    cursor = stream.cursor()
    async with client(stream) as http:
        query = {"target": "app", "after": cursor, "wait": "30s"}
        waiting = asyncio.create_task(http.get("/api/v1/events", params=query))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        stream.people("u2")
        await asyncio.to_thread(stream.run)
        answer = await asyncio.wait_for(waiting, 20)
        assert [event["sequence"] for event in answer.json()["events"]] == [2]
        query = {"target": "app", "after": answer.json()["cursor"], "wait": "1s"}
        assert (await http.get("/api/v1/events", params=query)).json()["events"] == []


async def test_many_waiting_readers_of_one_stream_leave_places_for_others(
    stream: StreamWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING", 2)
    stream.people("u1")
    await asyncio.to_thread(stream.run)
    async with client(stream) as http:
        cursor = (await http.get("/api/v1/events", params={"target": "app"})).json()["cursor"]
        follow = {"target": "app", "after": cursor, "wait": "2s"}
        polls = [asyncio.create_task(http.get("/api/v1/events", params=follow)) for _ in range(2)]
        await asyncio.sleep(0.3)
        answer = await http.get("/api/v1/events", params=follow)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert (await http.get("/api/v1/events", params={"target": "app"})).status_code == 200
        assert [(await poll).status_code for poll in polls] == [200, 200]
        assert (await http.get("/api/v1/events", params={**follow, "wait": "1s"})).status_code == 200
