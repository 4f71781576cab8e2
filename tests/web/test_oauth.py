"""Client credentials: a provider gets an access token with its own secret, for its own directory, for an hour."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router

from tests.web.serving import Client, bearer, served
from usersyncd.web.auth import Credentials, Doorkeeper
from usersyncd.web.gates import TOKEN, DirectoryGate, Entrance, Gate
from usersyncd.web.limits import Limits
from usersyncd.web.oauth import SECONDS, OAuthClient, TokenEndpoint

STATIC = "s" * 40
CLIENTS = {name: OAuthClient(name, "ping", secret * 40) for name, secret in (("hr", "h"), ("it", "i"))}
GRANT = {"grant_type": "client_credentials"}


async def name(request: Request) -> Response:
    return PlainTextResponse(request.scope[TOKEN])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    doorkeeper = Doorkeeper()
    entrances = {
        each: Entrance(Credentials([("static", STATIC + each)]), lambda _token: 0, CLIENTS[each]) for each in CLIENTS
    }
    gate = Gate("directory", entrances, doorkeeper, ())
    app = DirectoryGate(Router([Route("/name", name)]), gate, dict.fromkeys(CLIENTS, 1_000))
    routes = [
        TokenEndpoint(CLIENTS, doorkeeper, ()).route(),
        Mount("/scim/v2/{directory}", app),
    ]
    async with served(Limits(Router(routes), lambda: None)) as client:
        yield client


async def access_token(client: Client, directory: str) -> str:
    credentials = {"client_id": "ping", "client_secret": CLIENTS[directory].secret}
    answer = await client.http.post(f"/oauth/{directory}/token", data=GRANT | credentials)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", SECONDS)
    token: str = answer.json()["access_token"]
    return token


async def test_an_access_token_opens_its_own_directory_only(client: Client) -> None:
    tokens = {each: await access_token(client, each) for each in CLIENTS}
    opened = {
        (directory, whose): (await client.http.get(f"/scim/v2/{directory}/name", headers=bearer(token))).status_code
        for directory in (*CLIENTS, "other")
        for whose, token in tokens.items()
    }
    assert opened == {
        ("hr", "hr"): 200, ("hr", "it"): 401, ("it", "hr"): 401, ("it", "it"): 200, ("other", "hr"): 401,
        ("other", "it"): 401,
    }  # fmt: skip


async def test_basic_authentication_is_accepted(client: Client) -> None:
    answer = await client.http.post("/oauth/hr/token", data=GRANT, auth=("ping", CLIENTS["hr"].secret))
    opened = await client.http.get("/scim/v2/hr/name", headers=bearer(answer.json()["access_token"]))
    assert opened.text == "ping"


async def test_a_static_token_opens_beside_it(client: Client) -> None:
    opened = await client.http.get("/scim/v2/hr/name", headers=bearer(f"{STATIC}hr"))
    assert opened.text == "static"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 401, "invalid_client"),
        (GRANT | {"client_id": "ping", "client_secret": "wrong"}, 401, "invalid_client"),
        (GRANT | {"client_id": "ping", "client_secret": CLIENTS["it"].secret}, 401, "invalid_client"),
        (GRANT | {"client_id": "", "client_secret": ""}, 401, "invalid_client"),
        (
            {"grant_type": "password", "client_id": "ping", "client_secret": CLIENTS["hr"].secret},
            400,
            "unsupported_grant_type",
        ),
    ],
)
async def test_other_requests_get_the_error_of_the_standard(
    client: Client, form: dict[str, str], status: int, error: str
) -> None:
    answer = await client.http.post("/oauth/hr/token", data=form)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b"--a\r\n\r\nx\r\n--a--"),
        ("application/x-www-form-urlencoded", b"a=1&" * 30),
        ("application/x-www-form-urlencoded", b"\xff\xfe"),
        ("application/json", b"{"),
    ],
)
async def test_a_body_that_is_not_a_form_gets_an_error(client: Client, kind: str, body: bytes) -> None:
    answer = await client.http.post("/oauth/hr/token", content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 401)


async def test_nothing_is_read_for_a_directory_without_a_client(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /oauth/none/token HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\ngrant_type=")
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


@pytest.mark.parametrize("header", [{"crit": 5}, {"crit": [[]]}, {"alg": 5}, {"typ": []}, {"zip": "DEF"}])
async def test_odd_headers_of_a_forged_access_token_open_nothing(client: Client, header: dict[str, object]) -> None:
    token = CLIENTS["hr"].issue(0.0).split(".")
    token[0] = b64encode(json.dumps({"alg": "HS256"} | header).encode()).decode().rstrip("=")
    assert (await client.http.get("/scim/v2/hr/name", headers=bearer(".".join(token)))).status_code == 401


def test_an_access_token_ends() -> None:
    one = CLIENTS["hr"]
    token = one.issue(1_000_000.0)
    assert one.accepts(token, 1_000_000.0 + SECONDS - 1)
    assert not one.accepts(token, 1_000_001.0 + SECONDS)


@pytest.mark.parametrize(
    "change", [lambda t: t[:-2], lambda t: "eyJhbGciOiJub25lIn0." + t.split(".")[1] + ".", str.upper]
)
def test_a_forged_access_token_opens_nothing(change: object) -> None:
    assert callable(change)
    one = CLIENTS["hr"]
    assert one.accepts(one.issue(0.0), 1.0)
    assert not one.accepts(change(one.issue(0.0)), 1.0)


def test_another_secret_ends_all_access_tokens() -> None:
    one = CLIENTS["hr"]
    assert not OAuthClient("hr", "ping", "another" * 6).accepts(one.issue(0.0), 1.0)
