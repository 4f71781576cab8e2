"""The API: who may ask what, and when a requested pull is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from tests.web.serving import OPERATOR, VIEWER, Client, FakeBackend, bearer, configuration, credentials, served
from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.web import waiting
from usersyncd.web.api import RequestedPull
from usersyncd.web.app import application
from usersyncd.web.auth import FAILURES
from usersyncd.web.gates import API_PER_MINUTE


class Site:
    def __init__(self) -> None:
        self.backend = FakeBackend()
        self.why_busy: str | None = None


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def client(site: Site) -> AsyncIterator[Client]:
    app = application(configuration(), site.backend, credentials(), lambda: site.why_busy)
    async with served(app) as client:
        yield client


PULL = "/api/v1/directories/hr/pull"


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [("GET", "/api/v1/directories", VIEWER), ("GET", "/api/v1/openapi.json", VIEWER), ("POST", PULL, OPERATOR)],
)
async def test_each_route_asks_for_its_role(client: Client, method: str, path: str, least: str) -> None:
    answers = {
        token: (await client.http.request(method, path, headers=bearer(token) if token else {})).status_code
        for token in ("", "wrong", VIEWER, OPERATOR)
    }
    refused = {VIEWER: 403} if least is OPERATOR else {}
    allowed = 202 if path == PULL else 200
    assert answers == {"": 401, "wrong": 401, VIEWER: allowed, OPERATOR: allowed} | refused


async def test_a_refusal_is_a_problem_document(client: Client) -> None:
    answer = await client.http.get("/api/v1/directories")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="usersyncd"'
    assert answer.json() == {
        "status": 401, "title": "Unauthorized", "detail": "the bearer token is missing or wrong",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/api/v1/directories", "/readyz"])
async def test_a_method_that_is_not_there_is_refused_in_the_form_of_all_refusals(client: Client, path: str) -> None:
    answer = await client.http.delete(path, headers=bearer(OPERATOR))
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert "GET" in answer.headers["allow"]
    assert answer.json()["detail"] == "DELETE is not possible here"


@pytest.mark.parametrize(
    ("method", "path", "detail"),
    [
        ("POST", "{}?wiat=2s", "there is no parameter “wiat” here: did you mean wait?"),
        ("GET", "/api/v1/directories?wait=2s", "there is no parameter “wait” here: leave it out"),
        ("GET", "/api/v1/openapi.json?x", "there is no parameter “x” here: leave it out"),
    ],
)
async def test_an_unknown_parameter_is_refused(site: Site, client: Client, method: str, path: str, detail: str) -> None:
    answer = await client.http.request(method, path.format(PULL), headers=bearer(OPERATOR))
    assert (answer.status_code, answer.json()["detail"]) == (400, detail)
    assert not site.backend.requested


async def test_a_viewer_sees_the_directories(client: Client) -> None:
    answer = await client.http.get("/api/v1/directories", headers=bearer(VIEWER))
    assert answer.json() == {
        "directories": [
            {
                "directory": "hr", "connector": "csv", "users": 3, "groups": 1, "memberships": 2,
                "last_run": None, "last_success": None, "status": None,
            }
        ]
    }  # fmt: skip


async def test_a_pull_is_requested_in_the_name_of_the_token(site: Site, client: Client) -> None:
    answer = await client.http.post(PULL, headers=bearer(OPERATOR))
    assert (answer.status_code, answer.json()) == (202, {"status": "running"})
    assert site.backend.requested == [("hr", "sign-in")]


async def test_a_wait_ends_with_the_result(site: Site, client: Client) -> None:
    site.backend.result = RequestedPull(
        PullRun("hr", "csv", "01P", "succeeded", "now"), [DeliveryRun("app", "sql", "01D", "held", "now")]
    )
    site.backend.ended.set()
    answer = await client.http.post(f"{PULL}?wait=20s", headers=bearer(OPERATOR))
    result = answer.json()
    assert (answer.status_code, result["status"]) == (200, "ended")
    assert (result["pull"]["run"], [run["status"] for run in result["deliveries"]]) == ("01P", ["held"])


async def test_a_wait_that_is_too_short_leaves_the_pull_running(site: Site, client: Client) -> None:
    answer = await client.http.post(f"{PULL}?wait=1s", headers=bearer(OPERATOR))
    assert answer.status_code == 202
    assert site.backend.requested == [("hr", "sign-in")]


async def test_too_many_waits_of_one_token_request_nothing(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING", 1)
    first = asyncio.create_task(client.http.post(f"{PULL}?wait=20s", headers=bearer(OPERATOR)))
    for _ in range(1_000):
        if site.backend.requested:
            break
        await asyncio.sleep(0.01)
    answer = await client.http.post(f"{PULL}?wait=20s", headers=bearer(OPERATOR))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert len(site.backend.requested) == 1
    assert (await client.http.post(PULL, headers=bearer(OPERATOR))).status_code == 202
    site.backend.result = RequestedPull(PullRun("hr", "csv", "01P", "succeeded", "now"))
    site.backend.ended.set()
    assert (await first).status_code == 200
    assert (await client.http.post(f"{PULL}?wait=20s", headers=bearer(OPERATOR))).status_code == 200


@pytest.mark.parametrize("name", ["ada@acme.example", "uid=ada,ou=people", "a/b", "%C3%A5sa"])
async def test_one_person_is_pulled(site: Site, client: Client, name: str) -> None:
    answer = await client.http.post(f"/api/v1/directories/hr/people/{name}", headers=bearer(OPERATOR))
    assert answer.status_code == 202
    assert site.backend.requested == [(f"hr {unquote(name)}", "sign-in")]


@pytest.mark.parametrize("wait", ["soon", "-1s", "20", "%00"])
async def test_a_wait_without_a_duration_requests_nothing(site: Site, client: Client, wait: str) -> None:
    answer = await client.http.post(f"{PULL}?wait={wait}", headers=bearer(OPERATOR))
    assert answer.status_code == 400
    assert "must be a duration" in answer.json()["detail"]
    assert not site.backend.requested


@pytest.mark.parametrize("wait", ["51s", "99s", "1h"])
async def test_a_wait_that_is_too_long_requests_nothing(site: Site, client: Client, wait: str) -> None:
    answer = await client.http.post(f"{PULL}?wait={wait}", headers=bearer(OPERATOR))
    assert (answer.status_code, answer.json()["detail"]) == (400, "wait must be at most 50s")
    assert not site.backend.requested


@pytest.mark.parametrize(("code", "status"), [("unknown_person", 404), ("ambiguous_person", 409), ("whole_pull", 200)])
async def test_a_name_that_is_nobody_s_or_several_people_s_is_refused(
    site: Site, client: Client, code: str, status: int
) -> None:
    error = "hr has no person “zoe”\n  → check the id, user name or email"
    pull = PullRun("hr", "ldap", "01P", "failed", "now", error=error, code=code, person="zoe")
    site.backend.result = RequestedPull(pull)
    site.backend.ended.set()
    answer = await client.http.post("/api/v1/directories/hr/people/zoe?wait=20s", headers=bearer(OPERATOR))
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "hr has no person “zoe” → check the id, user name or email"


async def test_a_directory_that_does_not_exist_is_not_pulled(client: Client) -> None:
    answer = await client.http.post("/api/v1/directories/it/pull", headers=bearer(OPERATOR))
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no directory it")


async def test_a_program_has_a_quota(client: Client) -> None:
    async with asyncio.TaskGroup() as group:  # faster than the quota is refilled
        requests = [
            group.create_task(client.http.get("/api/v1/directories", headers=bearer(VIEWER)))
            for _ in range(API_PER_MINUTE // 4 + 50)
        ]
    answers = sorted((task.result() for task in requests), key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    other = await client.http.get("/api/v1/directories", headers=bearer(OPERATOR))
    assert other.status_code == 200


async def test_a_guesser_is_slowed_down_and_locks_nobody_out(client: Client) -> None:
    statuses = [
        (await client.http.get("/api/v1/directories", headers=bearer(f"guess {n}"))).status_code
        for n in range(FAILURES + 1)
    ]
    assert statuses == [401] * FAILURES + [429]
    right = await client.http.get("/api/v1/directories", headers=bearer(VIEWER))
    assert right.status_code == 200


async def test_a_service_that_is_not_ready_says_when_to_come_back(site: Site, client: Client) -> None:
    site.why_busy = "the service starts"
    for path in ("/api/v1/directories", "/scim/v2/hr/Users"):
        answer = await client.http.get(path, headers=bearer(VIEWER))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await client.http.get("/livez")).status_code == 200
    assert (await client.http.get("/readyz")).text == "the service starts\n"


async def test_nothing_else_is_there(client: Client) -> None:
    answer = await client.http.get("/api/v1/secrets", headers=bearer(OPERATOR))
    assert answer.status_code == 404
    assert (await client.http.delete(PULL, headers=bearer(OPERATOR))).status_code == 405
