"""When the patient transport retries, how long it waits, and when it gives up. No I/O."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import httpx
import pytest

from usersyncd.errors import SourceError, TargetError, UsersyncError
from usersyncd.http_client.budget import Budget
from usersyncd.http_client.clock import Clock
from usersyncd.http_client.transport import PatientTransport
from usersyncd.plugin import PATIENT, Patience
from usersyncd.progress import Wait
from usersyncd.testing import HurriedClock, Log, source_context, target_context

URL = "https://graph.example/v1.0/users?$deltatoken=confidential"
OK = httpx.Response(200, json={"value": []})
Answer = httpx.Response | Exception


class Host:
    """A host with one scripted answer after the other, and patient clients for it."""

    def __init__(
        self, *answers: Answer, patience: Patience = PATIENT, failure: type[UsersyncError] = SourceError
    ) -> None:
        self.clock = HurriedClock()
        self.log = Log()
        self.waits: list[Wait] = []
        self.requests: list[httpx.Request] = []
        self._answers: Iterator[Answer] = iter(answers)
        self._budget = Budget(patience, self.clock)
        self.client = httpx.AsyncClient(
            transport=PatientTransport(
                httpx.MockTransport(self._answer),
                patience,
                budget=lambda host: self._budget,
                clock=self.clock,
                log=self.log.logger,
                waiting=self.waits.append,
                failure=failure,
            )
        )

    @property
    def budget(self) -> Budget:
        return self._budget

    async def get(self, **more: Any) -> httpx.Response:
        return await self.client.get(URL, **more)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def throttled(**headers: str) -> httpx.Response:
    body = {"error": {"code": "TooManyRequests", "message": "Slow down."}}
    return httpx.Response(429, headers={key.replace("_", "-"): value for key, value in headers.items()}, json=body)


async def test_a_requested_wait_is_kept() -> None:
    host = Host(throttled(retry_after="12"), OK)
    assert (await host.get()).json() == {"value": []}
    assert 12 <= max(host.clock.slept) <= 13.2
    [wait], entry = host.waits, host.log.entries[0]
    assert (wait.party, wait.why) == ("graph.example", "graph.example requested it")
    assert wait.until is not None
    assert abs(wait.until - datetime.now(UTC) - timedelta(seconds=entry["seconds"])) < timedelta(seconds=5)
    assert entry["event"].startswith("waiting 1")
    assert entry["event"].endswith(" s: graph.example requested it")


@pytest.mark.parametrize(
    ("date", "after", "seconds"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:28:30 GMT", "Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)
async def test_a_date_counts_from_the_hosts_own_clock(date: str, after: str, seconds: float) -> None:
    host = Host(throttled(retry_after=after, date=date), OK)
    await host.get()
    assert seconds <= sum(host.clock.slept[:1]) <= seconds * 1.1 + 0.01


@pytest.mark.parametrize("junk", ["soon", "-3", "1e9", "", "Wed, 99 Foo 2015"])
async def test_an_invalid_retry_after_is_ignored(junk: str) -> None:
    host = Host(throttled(retry_after=junk), OK)
    await host.get()
    assert 1 <= host.clock.slept[0] <= 2


async def test_waits_without_retry_after_grow_randomly_from_a_minimum() -> None:
    host = Host(*repeat(throttled(), 8), OK)
    await host.get()
    waits = host.clock.slept
    assert all(wait >= 1 for wait in waits)
    assert all(wait <= max(2, 2.0 * 2**attempt) for attempt, wait in enumerate(waits))
    assert max(waits) <= 60
    assert len(set(waits)) == len(waits)


async def test_a_host_that_always_asks_for_a_second_is_waited_for_longer_and_longer() -> None:
    host = Host(*repeat(throttled(retry_after="1"), 9), OK)
    await host.get()
    assert max(host.clock.slept) > 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_temporary_errors_are_retried(status: int) -> None:
    host = Host(httpx.Response(status), OK)
    assert (await host.get()).status_code == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 501])
async def test_other_answers_are_returned_to_the_connector(status: int) -> None:
    host = Host(httpx.Response(status, text="no"))
    assert (await host.get()).status_code == status
    assert host.clock.slept == []


async def test_a_connector_can_name_more_temporary_errors() -> None:
    quota = httpx.Response(403, json={"error": {"errors": [{"domain": "usageLimits"}]}})
    patience = Patience(retryable=lambda response: b"usageLimits" in response.content)
    host = Host(quota, httpx.Response(403, json={"error": "forbidden"}), patience=patience)
    assert (await host.get()).json() == {"error": "forbidden"}
    assert host.budget.limit == 4, "it counts as throttling"


@pytest.mark.parametrize("body", ["<html><title>Sign in</title></html>", '{"value": [{"id": "1"}', "Bad gateway", ""])
async def test_a_success_without_json_is_retried(body: str) -> None:
    host = Host(httpx.Response(200, text=body), OK)
    assert (await host.get()).json() == {"value": []}
    assert len(host.requests) == 2


@pytest.mark.parametrize("body", ['{"a": 1}\n', "[]", '"text"', "1"])
async def test_a_success_with_json_is_not_retried(body: str) -> None:
    host = Host(httpx.Response(200, text=body))
    assert (await host.get()).text == body


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("Connection refused"),
        httpx.ConnectTimeout("timed out"),
        httpx.ReadError(""),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
        httpx.ProxyError("502"),
    ],
)
async def test_broken_connections_are_retried(error: Exception) -> None:
    host = Host(error, OK)
    assert (await host.get()).status_code == 200
    assert host.waits


async def test_a_request_that_is_not_safe_to_repeat_is_not_retried() -> None:
    host = Host(httpx.Response(503), OK)
    with pytest.raises(SourceError, match=r"graph\.example answered 503"):
        await host.client.post(URL, json={})
    assert len(host.requests) == 1


async def test_a_post_is_repeated_with_its_body_where_the_request_says_so() -> None:
    host = Host(httpx.Response(503), httpx.ReadError(""), OK)
    await host.client.post(URL, data={"grant_type": "client_credentials"}, extensions={"repeatable": True})
    assert [request.content for request in host.requests] == [b"grant_type=client_credentials"] * 3


WRITE = {"repeatable": False}


async def test_a_write_that_the_host_did_not_process_is_repeated() -> None:
    """A 429 says so; and a connection that was not established carried nothing."""
    host = Host(OK, throttled(retry_after="3"), httpx.ConnectError("refused"), httpx.Response(201, json={}))
    await host.get()
    response = await host.client.post(URL, json={}, extensions=WRITE)
    assert (response.status_code, len(host.requests)) == (201, 4)


async def test_a_write_that_the_host_may_have_processed_is_returned_and_not_repeated() -> None:
    host = Host(httpx.Response(500, json={"detail": "disk full"}), OK)
    response = await host.client.post(URL, json={}, extensions=WRITE)
    assert (response.status_code, response.json(), len(host.requests)) == (500, {"detail": "disk full"}, 1)


async def test_a_write_without_an_answer_is_not_repeated() -> None:
    host = Host(httpx.ReadError("cut"), OK, failure=TargetError)
    with pytest.raises(TargetError, match="broke the connection"):
        await host.client.post(URL, json={}, extensions=WRITE)
    assert len(host.requests) == 1


async def test_each_route_of_a_host_keeps_its_own_quota() -> None:
    host = Host(*repeat(OK, 40), patience=Patience(routes={"writes": 60, "users": 30}))
    for _ in range(10):
        await host.get()
    assert sum(host.clock.slept) == 0, "requests that name no route are not paced"
    for _ in range(10):
        await host.client.put(URL, extensions={"routes": ("writes",)})
    assert 8 < sum(host.clock.slept) < 11, "one in a second"
    for _ in range(10):
        await host.client.put(URL, extensions={"routes": ("writes", "users")})
    assert 25 < sum(host.clock.slept) < 32, "one in two seconds"


async def test_the_final_error_names_the_host_the_cause_and_the_remedy() -> None:
    refused = throttled(retry_after="3600", request_id="abc-1")
    host = Host(refused)
    with pytest.raises(SourceError) as raised:
        await host.get(headers={"Authorization": "Bearer confidential"})
    text = str(raised.value)
    assert "graph.example answered 429" in text
    assert "TooManyRequests: Slow down. (request-id abc-1)" in text
    assert "GET graph.example/v1.0/users" in text
    assert "the next run tries again" in text
    assert "confidential" not in f"{text} {host.log.entries} {host.waits}"
    assert host.clock.slept == [], "a wait that patience does not cover is not begun"


async def test_retries_end_at_the_deadline() -> None:
    host = Host(httpx.Response(500), *repeat(httpx.ReadError("gone"), 1000), patience=Patience(seconds=300))
    with pytest.raises(SourceError, match=r"broke the connection: gone, in \d+ attempts"):
        await host.get()
    assert 200 < sum(host.clock.slept) <= 300


async def test_a_host_that_never_answered_fails_early() -> None:
    host = Host(*repeat(httpx.ConnectError("Name or service not known"), 1000))
    with pytest.raises(SourceError, match="cannot be reached: Name or service not known") as raised:
        await host.get()
    assert sum(host.clock.slept) <= 30
    assert "DNS" in str(raised.value)


async def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    cause = ssl.SSLCertVerificationError("verify failed")
    cause.verify_message = "self-signed certificate"
    error = httpx.ConnectError("")
    error.__cause__ = cause
    host = Host(error)
    with pytest.raises(SourceError, match="not trusted: self-signed certificate") as raised:
        await host.get()
    assert "ca_file" in str(raised.value)


async def test_an_answer_that_is_too_large_is_refused() -> None:
    host = Host(httpx.Response(200, content=b'{"a":"' + b"a" * 200 + b'"}'), patience=Patience(size=100))
    with pytest.raises(SourceError, match="more than 100 bytes"):
        await host.get()


async def test_an_error_of_a_target_is_a_target_error() -> None:
    host = Host(httpx.Response(503), failure=TargetError)
    with pytest.raises(TargetError):
        await host.client.post(URL)


async def test_requests_wait_while_the_quota_is_used_up() -> None:
    patience = Patience(load=lambda response: float(response.headers.get("x-load", "nan")))
    host = Host(httpx.Response(200, headers={"x-load": "1.3"}, text="{}"), OK, patience=patience)
    await host.get()
    await host.get()
    assert host.clock.slept == [pytest.approx(5, abs=0.1)]
    assert [wait.why for wait in host.waits] == ["graph.example reports that 130% of its quota is used"]
    assert host.log.entries[0]["event"] == "waiting 5.0 s: graph.example reports that 130% of its quota is used"


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with source_context(tmp_path).http() as client:
        assert not client.follow_redirects
    host = Host(httpx.Response(302, headers={"Location": "https://elsewhere.example/"}))
    assert (await host.get()).status_code == 302
    assert len(host.requests) == 1


# ---- the budget


async def test_the_number_of_concurrent_requests_is_limited() -> None:
    budget = Budget(Patience(concurrency=3), Clock())
    most = under_way = 0

    async def one() -> None:
        nonlocal most, under_way
        async with budget:
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(one())
    assert most == 3


async def test_concurrency_halves_after_a_refusal_and_grows_with_each_answer() -> None:
    budget = Budget(Patience(concurrency=8), HurriedClock())
    began = time.monotonic() + 1
    budget.throttled(began, 1)
    assert budget.limit == 4
    budget.throttled(began - 2, 1)
    assert budget.limit == 4, "requests that were under way together are one refusal"
    for _ in range(25):
        budget.took()
    assert budget.limit == 6
    for _ in range(100):
        budget.took()
    assert budget.limit == 8
    for attempt in range(100):
        budget.throttled(began + 10 + attempt, 0)
    assert budget.limit == 1


async def test_a_requested_wait_delays_all_requests() -> None:
    clock = HurriedClock()
    budget = Budget(PATIENT, clock)
    budget.throttled(clock.now(), 30)
    async with budget:
        assert sum(clock.slept) == pytest.approx(30, abs=0.1)


async def test_a_configured_quota_is_kept_and_used_up() -> None:
    clock = HurriedClock()
    budget = Budget(Patience(per_minute=600), clock)
    for _ in range(601):
        async with budget:
            pass
    assert 60 <= sum(clock.slept) <= 66


@pytest.mark.parametrize("cancelled", [0, 1, 5])
async def test_a_cancelled_wait_gives_its_place_back(cancelled: int) -> None:
    budget = Budget(Patience(concurrency=1), Clock())
    got: list[int] = []

    async def one(number: int) -> None:
        async with budget:
            got.append(number)
            await asyncio.sleep(0)

    async with budget:
        tasks = [asyncio.create_task(one(number)) for number in range(10)]
        await asyncio.sleep(0)
    tasks[cancelled].cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
    assert sorted({*got, cancelled}) == list(range(10))


@pytest.mark.parametrize("answer", [lambda: throttled(retry_after="300"), lambda: httpx.ReadError("gone")])
async def test_waits_end_at_once_when_cancelled(answer: Callable[[], Answer], tmp_path: Path) -> None:
    log = Log()
    transport = PatientTransport(
        httpx.MockTransport(lambda request: _raise_or_return(answer())),
        PATIENT,
        budget=lambda host: Budget(PATIENT, Clock()),
        clock=Clock(),
        log=log.logger,
        waiting=None,
        failure=SourceError,
    )
    async with httpx.AsyncClient(transport=transport) as client:
        task = asyncio.create_task(client.get(URL))
        while not log.entries:  # noqa: ASYNC110 - the log has no event
            await asyncio.sleep(0.001)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 10


def _raise_or_return(answer: Answer) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer


async def test_a_context_has_one_budget_for_a_host_and_closes_what_is_open(tmp_path: Path) -> None:
    context = source_context(tmp_path)
    first, second = context.http(), context.http()
    budgets = [client._transport._budget("one.example") for client in (first, second)]  # type: ignore[attr-defined]
    assert budgets[0] is budgets[1]
    await first.aclose()
    async with context:
        pass
    assert second.is_closed
    async with target_context(tmp_path):
        pass
