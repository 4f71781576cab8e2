"""Requests and the handling of responses, without a server (respx)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from tests.fakes.google.signing import key_pair
from usersyncd.errors import SourceError
from usersyncd.plugin import Patience
from usersyncd.testing import HurriedClock, source_context
from usersyncd_google.api import Api
from usersyncd_google.concurrent import concurrently
from usersyncd_google.faults import MissingError, retryable
from usersyncd_google.options import GoogleOptions
from usersyncd_google.tokens import DelegatedAuth, KeySigner

BASE = "https://admin.googleapis.com/admin/directory/v1"
TOKEN = "https://oauth2.googleapis.com/token"
OPTIONS = GoogleOptions.model_validate({"service_account": {"file": "key.json"}, "subject": "admin@acme.example"})
MINE: dict[str, Any] = {"customer": "my_customer"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    context = source_context(tmp_path, clock=HurriedClock())
    async with context.http(Patience(retryable=retryable, seconds=100)) as client:
        yield Api(client, OPTIONS, ["scope"])


def error(status: int, reason: str, domain: str = "global", message: str = "Words.") -> httpx.Response:
    inner = {"domain": domain, "reason": reason, "message": message}
    return httpx.Response(status, json={"error": {"code": status, "message": message, "errors": [inner]}})


def users(*ids: str, token: str | None = None) -> httpx.Response:
    body: dict[str, Any] = {"kind": "admin#directory#users"}
    if ids:
        body["users"] = [{"id": each} for each in ids]
    return httpx.Response(200, json={**body, "nextPageToken": token} if token else body)


async def listed(api: Api, fields: str = "kind") -> list[str]:
    return [user["id"] async for page in api.users(MINE, fields, "basic") for user in page]


@respx.mock
async def test_following_pages_have_the_same_parameters(api: Api) -> None:
    route = respx.get(f"{BASE}/users").mock(side_effect=[users("1", "2", token="t&1"), users(token="t2"), users("3")])
    assert await listed(api) == ["1", "2", "3"]
    asked = [dict(call.request.url.params) for call in route.calls]
    same = {"customer": "my_customer", "maxResults": "500", "projection": "basic", "fields": "kind", "alt": "json"}
    assert asked == [same, {**same, "pageToken": "t&1"}, {**same, "pageToken": "t2"}]


@respx.mock
async def test_a_request_with_a_too_long_url_is_sent_as_a_form(api: Api) -> None:
    fields = "kind," + ",".join(f"field{number}" for number in range(300))
    route = respx.post(f"{BASE}/users").mock(return_value=users("1"))
    assert await listed(api, fields) == ["1"]
    request = route.calls.last.request
    assert not request.url.query
    assert request.headers["x-http-method-override"] == "GET"
    assert dict(httpx.QueryParams(request.content.decode()))["fields"] == fields


@respx.mock
@pytest.mark.parametrize(
    "refusal",
    [
        error(403, "quotaExceeded", "usageLimits"),
        error(403, "userRateLimitExceeded", "usageLimits"),
        error(403, "rateLimitExceeded", "usageLimits"),
        error(429, "rateLimitExceeded", "usageLimits"),
        error(500, "backendError"),
        error(503, "backendError"),
        httpx.Response(502, text="<html><title>Error 502</title></html>"),
        httpx.Response(504, text="upstream request timeout"),
        httpx.Response(200, text="<html><title>Sign in to the network</title></html>"),
        httpx.Response(
            403, json={"error": {"code": 403, "message": "", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}]}}
        ),
    ],
)
async def test_temporary_errors_are_retried(api: Api, refusal: httpx.Response) -> None:
    respx.get(f"{BASE}/users").mock(side_effect=[refusal, refusal, users("1")])
    assert await listed(api) == ["1"]


@respx.mock
@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (error(403, "forbidden"), "must be an administrator"),
        (error(403, "accessNotConfigured", "usageLimits"), "enable the Admin SDK API"),
        (error(403, "dailyLimitExceeded", "usageLimits"), "raise the daily quota"),
        (error(403, "insufficientPermissions"), "grant domain-wide delegation"),
        (error(404, "domainNotFound"), "option domains"),
        (error(404, "notFound"), "check that it exists"),
        (error(400, "invalid"), "option customer"),
        (error(400, "invalid", message="Invalid page token"), "the next run starts again"),
        (error(410, "updatedMinTooLongAgo"), "the next run starts again"),
        (httpx.Response(418, text="tea"), "no reason given"),
    ],
)
async def test_permanent_errors_are_not_retried(api: Api, refusal: httpx.Response, words: str) -> None:
    route = respx.get(f"{BASE}/users").mock(return_value=refusal)
    with pytest.raises(SourceError, match=words):
        await listed(api)
    assert route.call_count == 1


@respx.mock
@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        '{"ok": true}',
        '{"kind": "x", "users": {}}',
        '{"kind": "x", "users": [{"id": "1"}, {"id": }' + "x" * 60 + "]}",
    ],
)
async def test_an_invalid_response_is_not_taken_for_an_empty_listing(api: Api, body: str) -> None:
    respx.get(f"{BASE}/users").mock(return_value=httpx.Response(200, text=body))
    with pytest.raises(
        SourceError, match=r"answered with something that is|incomplete or invalid JSON|without valid JSON"
    ):
        await listed(api)


@respx.mock
async def test_keys_are_escaped_in_the_path(api: Api) -> None:
    route = respx.get(url__regex=r".*/orgunits/.*").mock(return_value=httpx.Response(200, json={"kind": "x"}))
    await api.unit("/Staff & Co?/Grö#ße")
    path = route.calls.last.request.url.raw_path.partition(b"?")[0]
    assert path.endswith(b"/customer/my_customer/orgunits/Staff%20%26%20Co%3F/Gr%C3%B6%23%C3%9Fe")
    respx.get(f"{BASE}/groups/a%2Fb").mock(return_value=error(404, "notFound"))
    with pytest.raises(MissingError):
        await api.group("a/b", None)


# -------------------------------------------------------------------------------------------------------------- tokens


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def delegated() -> DelegatedAuth:
    key = json.dumps({"type": "service_account", "client_email": "a@b.c", "private_key": key_pair("first")[0]})
    return DelegatedAuth(KeySigner(key, "key"), OPTIONS, ["one", "two"], Time())


def token(number: int, life: int = 3599) -> httpx.Response:
    return httpx.Response(200, json={"access_token": f"t{number}", "expires_in": life})


@respx.mock
async def test_concurrent_requests_share_one_token(delegated: DelegatedAuth) -> None:
    tokens = respx.post(TOKEN).mock(side_effect=[token(1), token(2)])
    route = respx.get("https://x/").mock(return_value=httpx.Response(200))
    async with httpx.AsyncClient(auth=delegated) as client:
        await asyncio.gather(*(client.get("https://x/") for _ in range(8)))
    assert tokens.call_count == 1
    assert {call.request.headers["authorization"] for call in route.calls} == {"Bearer t1"}
    assert tokens.calls.last.request.extensions["repeatable"] is True


@respx.mock
async def test_a_token_is_replaced_before_it_expires(delegated: DelegatedAuth) -> None:
    tokens = respx.post(TOKEN).mock(side_effect=[token(1), token(2)])
    respx.get("https://x/").mock(return_value=httpx.Response(200))
    async with httpx.AsyncClient(auth=delegated) as client:
        for now, count in ((0, 1), (3000, 1), (3598 - 59, 2)):
            delegated._clock.now = now  # type: ignore[attr-defined]
            await client.get("https://x/")
            assert tokens.call_count == count


@respx.mock
async def test_a_rejected_token_is_replaced_once_for_all_requests(delegated: DelegatedAuth) -> None:
    tokens = respx.post(TOKEN).mock(side_effect=[token(1), token(2), token(3)])
    respx.get("https://x/").mock(
        side_effect=lambda request: httpx.Response(401 if request.headers["authorization"] == "Bearer t1" else 200)
    )
    async with httpx.AsyncClient(auth=delegated) as client:
        answers = await asyncio.gather(*(client.get("https://x/") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert tokens.call_count == 2


@respx.mock
@pytest.mark.parametrize("body", ["{}", "[]", "x", '{"access_token": 1}'])
async def test_a_response_without_a_token_is_an_error(delegated: DelegatedAuth, body: str) -> None:
    respx.post(TOKEN).mock(return_value=httpx.Response(200, text=body))
    async with httpx.AsyncClient(auth=delegated) as client:
        with pytest.raises(SourceError, match="correct the option token_endpoint"):
            await client.get("https://x/")


# ---------------------------------------------------------------------------------------------------------- concurrency


async def test_the_number_of_concurrent_requests_is_limited() -> None:
    under_way, most = 0, 0

    async def work(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return number

    found = [each async for each in concurrently(map(work, range(50)), 7)]
    assert sorted(found) == list(range(50))
    assert most == 7


async def test_the_first_error_cancels_all_requests() -> None:
    ended = []

    async def work(number: int) -> int:
        try:
            await asyncio.sleep(0 if number == 3 else 60)
        finally:
            ended.append(number)
        raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        async for _ in concurrently(map(work, range(5)), 5):
            pass
    assert sorted(ended) == [0, 1, 2, 3, 4]
