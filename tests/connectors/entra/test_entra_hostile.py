"""Responses that Graph and its sign-in never send: each ends the pull with a message, at little cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from starlette.responses import Response

from tests.connectors.entra.tenants import source_of
from tests.fakes.graph import SECRET, Graph, company
from tests.fakes.junk import spoilt
from usersyncd.errors import SourceError
from usersyncd.testing import read

Spoil = Callable[[dict[str, Any]], Any]
TOKEN = "/oauth2/v2.0/token"
CONFIGURATION = "/.well-known/openid-configuration"
LARGE = 3_000_000


def answers(graph: Graph, path: str, body: bytes | Spoil, status: int | None = None, **headers: str) -> None:
    """Paths that end in ``path`` get the response ``body``, or the correct response changed by it."""

    def spoil(asked: str, answer: Response) -> Response:
        if not asked.endswith(path):
            return answer
        new = body if isinstance(body, bytes) else json.dumps(body(json.loads(bytes(answer.body)))).encode()
        return Response(new, status or answer.status_code, headers=headers, media_type="application/json")

    graph.spoil = spoil


async def refusal(graph: Graph, folder: Path) -> str:
    """The error of a pull; ``check`` must fail with the same one."""
    with pytest.raises(SourceError) as raised:
        await read(source_of(graph, folder))
    text = str(raised.value)
    assert raised.value.remedy
    assert len(text) < 1_500
    assert "Bearer" not in text
    assert SECRET not in text
    return text


@pytest.mark.parametrize("value", ["1e9", "1e999", "nan", "-1", "x"])
async def test_an_impossible_load(graph: Graph, tmp_path: Path, value: str) -> None:
    source = source_of(graph, tmp_path)

    def spoil(path: str, answer: Response) -> Response:
        answer.headers["x-ms-throttle-limit-percentage"] = value
        return answer

    graph.spoil = spoil
    assert (await read(source)).ends
    assert source._context.clock.slept == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 +9999", "x" * 5_000])
async def test_an_impossible_date_does_not_hide_a_lost_page(graph: Graph, tmp_path: Path, date: str) -> None:
    graph.faults.lose_page = ("user", 2)

    def spoil(path: str, answer: Response) -> Response:
        answer.headers["date"] = date
        return answer

    graph.spoil = spoil
    assert "left out 7 of 60" in await refusal(graph, tmp_path)


@pytest.mark.parametrize("status", [400, 403, 404, 418])
async def test_a_long_refusal(graph: Graph, tmp_path: Path, status: int) -> None:
    message = {"error": {"code": "c" * LARGE, "message": "x" * LARGE}}
    answers(graph, "/users/delta", lambda _: message, status, **{"request-id": "y" * 5_000})
    assert len(await refusal(graph, tmp_path)) < 900


@pytest.mark.parametrize(
    "link",
    [
        "https://[",
        "http://127.0.0.1:99999999/v1.0/users/delta",
        "http://user:pass@{host}/v1.0/users/delta",
        "http://{host}/v1.0/../beta/users/delta",
        "http://{host}/v1.0/%2e%2e/beta/users/delta",
        "http://{host}@evil.example/v1.0/users/delta",
        "http://{host}/v1.0/users/delta\n",
        "/v1.0/users/delta?$skiptoken=x",
        "delta?$skiptoken=x",
        "javascript:alert(1)",
        "http://{host}/v1.0/" + "x" * 100_000,
        "",
    ],
)
@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink"])
async def test_an_invalid_link(graph: Graph, tmp_path: Path, name: str, link: str) -> None:
    leads = link.format(host=graph.url.removeprefix("http://"))
    graph.page_size = 100
    answers(graph, "/users/delta", lambda page: {"value": page["value"], name: leads})
    assert "sent a link to another host, or an invalid one" in await refusal(graph, tmp_path)


async def test_a_link_may_have_the_default_port(graph: Graph, tmp_path: Path) -> None:
    link = graph.url.replace("http://", "HTTP://")
    answers(graph, "/users/delta", lambda page: {key: _led(value, graph.url, link) for key, value in page.items()})
    assert (await read(source_of(graph, tmp_path))).ends


def _led(value: Any, old: str, new: str) -> Any:
    return value.replace(old, new) if isinstance(value, str) else value


@pytest.mark.parametrize("items", [0, 7])
async def test_pages_without_end(graph: Graph, tmp_path: Path, items: int) -> None:
    asked: list[str] = []

    def spoil(path: str, answer: Response) -> Response:
        if not path.endswith("/users/delta"):
            return answer
        asked.append(path)
        people = [{"id": f"u{number}", "createdDateTime": "2020-01-01T00:00:00Z"} for number in range(items)]
        link = "@odata.nextLink" if len(asked) < 1_000 else "@odata.deltaLink"
        page = {"value": people, link: f"{graph.url}/v1.0/users/delta?$skiptoken={len(asked)}"}
        return Response(json.dumps(page), media_type="application/json")

    graph.spoil = spoil
    assert "users/delta has no end" in await refusal(graph, tmp_path)


@pytest.mark.parametrize("path", ["/users/delta", "/groups/delta", "/users", TOKEN, CONFIGURATION])
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500], ids=["100000", "500"])
async def test_deep_json(graph: Graph, tmp_path: Path, path: str, body: bytes) -> None:
    answers(graph, path, body, 200)
    await refusal(graph, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"access_token": 1}',
        b'{"access_token": ["x"], "expires_in": 3599}',
        b'{"access_token": "", "expires_in": 3599}',
        b'{"access_token": "0123456789abcdef\\n0123456789abcdef", "expires_in": 3599}',
        '{"access_token": "0123456789abcdef\u20ac", "expires_in": 3599}'.encode(),
        b'{"access_token": "0123456789abcdef", "expires_in": Infinity}',
        b'{"access_token": "0123456789abcdef", "expires_in": NaN}',
        b'{"access_token": "0123456789abcdef", "expires_in": {}}',
        b'{"error": ["x"], "error_codes": 7, "correlation_id": {}}',
        b'{"error": "x", "error_description": "AADSTS' + b"9" * 6_000 + b'"}',
        b'{"error": "x", "error_description": "' + b"y" * LARGE + b'"}',
    ],
)
@pytest.mark.parametrize("path", [TOKEN, CONFIGURATION])
async def test_an_impossible_sign_in_response(graph: Graph, tmp_path: Path, path: str, answer: bytes) -> None:
    for status in (200, 400):
        answers(graph, path, answer, status)
        assert "0123456789" not in await refusal(graph, tmp_path)


@pytest.mark.parametrize("life", ["0", "-1", "1" + "0" * 30, '"3599"', '"x"', "null", "1e5"])
async def test_an_impossible_token_lifetime(graph: Graph, tmp_path: Path, life: str) -> None:
    def spoil(path: str, answer: Response) -> Response:
        if not path.endswith(TOKEN):
            return answer
        body = json.loads(bytes(answer.body))
        return Response(json.dumps({**body, "expires_in": "LIFE"}).replace('"LIFE"', life))

    graph.spoil = spoil
    with suppress(SourceError):  # MSAL decides.
        assert (await read(source_of(graph, tmp_path))).ends


async def test_the_secret_is_sent_to_the_login_only(graph: Graph, tmp_path: Path) -> None:
    with Graph(company()) as other:
        stranger = other.url.replace("http://", "https://")  # MSAL takes no other.
        answers(graph, CONFIGURATION, lambda found: {**found, "token_endpoint": f"{stranger}/t/oauth2/v2.0/token"})
        assert "redirects the sign-in to another host" in await refusal(graph, tmp_path)


@pytest.mark.parametrize("seed", range(40))
async def test_junk_in_any_place(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    with Graph(company(users=12, groups=3, memberships=20), page_size=5, members_per_item=4) as graph:

        def spoil(path: str, answer: Response) -> Response:
            if random.random() > 0.2 or not answer.body:
                return answer
            return Response(spoilt(bytes(answer.body), random), answer.status_code, media_type="application/json")

        graph.spoil = spoil
        for work in (lambda source: read(source), lambda source: source.check()):
            with suppress(SourceError):
                await work(source_of(graph, tmp_path, patience=5))
