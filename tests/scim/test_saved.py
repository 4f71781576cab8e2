"""The same requests, saved in a real state database: what providers send, the suites, and listings by cursor."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests.push.conftest import acme, state
from tests.push.pushing import PushingWorld
from tests.scim.conftest import SERVICE
from tests.scim.replay import recordings, replay
from usersyncd.scim.store import ResourceStore
from usersyncd.web.scim import routes

__all__ = ["acme", "state"]

PROVIDERS = ("entra", "okta", "others")


def client_of(store: ResourceStore) -> httpx.AsyncClient:
    app = Starlette(routes=routes(lambda _name: store, "https://sync.acme.example"))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SERVICE)


@pytest.mark.parametrize("scene", [f"{each}: {scene['name']}" for each in PROVIDERS for scene in recordings(each)])
def test_what_a_provider_sends_is_saved(scene: str, acme: PushingWorld) -> None:
    provider, _, name = scene.partition(": ")
    sends = next(each["sends"] for each in recordings(provider) if each["name"] == name)

    async def send(store: ResourceStore) -> None:
        async with client_of(store) as client:
            await replay(client, sends, {})

    acme.receive(send)


def test_listings_of_a_saved_directory_agree_in_every_form(acme: PushingWorld) -> None:
    async def send(store: ResourceStore) -> None:
        async with client_of(store) as client:
            for number in range(12):
                title = "odd" if number % 2 else "even"
                body = {"userName": f"u{number:02}", "title": title, "emails": [{"value": f"U{number}@acme.example"}]}
                assert (await client.post("/Users", json=body)).status_code == 201
            for query in ("", "sortBy=userName&", 'filter=title eq "odd"&'):
                by_index = await _names(client, f"{query}count=100")
                assert by_index == await _by_cursor(client, query)
                assert len(by_index) == (6 if "odd" in query else 12)
            assert await _names(client, 'filter=emails[type eq "work"].value eq "u3@acme.example"') == []
            assert await _names(client, 'filter=emails.value eq "u3@ACME.example" and title pr') == ["u03"]
            user = (await client.get('/Users?filter=userName eq "U07"')).json()["Resources"][0]
            stale = {"if-match": 'W/"other"'}
            assert (await client.delete(f"/Users/{user['id']}", headers=stale)).status_code == 412
            kept = {"if-none-match": user["meta"]["version"]}
            assert (await client.get(f"/Users/{user['id']}", headers=kept)).status_code == 304

    acme.receive(send)


async def _names(client: httpx.AsyncClient, query: str) -> list[str]:
    answer = await client.get(f"/Users?{query}")
    assert answer.status_code == 200, answer.text
    return [each["userName"] for each in answer.json()["Resources"]]


async def _by_cursor(client: httpx.AsyncClient, query: str) -> list[str]:
    found: list[str] = []
    cursor: Any = ""
    while cursor is not None:
        page = (await client.get(f"/Users?{query}count=5&cursor={cursor}")).json()
        found += [each["userName"] for each in page["Resources"]]
        cursor = page.get("nextCursor")
    return found
