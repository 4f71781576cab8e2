"""The OpenAPI document describes each answer: real ones are valid, and each of their fields has a type."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.web.daemon import RunningDaemon, daemon
from usersyncd.web import events
from usersyncd.web.openapi import document

CONFIG = """
directories:
  hr: {connector: csv, every: 1h, options: {users: users.csv, groups: groups.csv, members: members.csv}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
  news: {connector: events, options: {tokens: [{name: crm, secret: {env: TOKEN}}]}}
web:
  listen: 127.0.0.1:8470
  url: https://sync.acme.example
  tokens: [{name: program, role: operator, secret: {env: TOKEN}}]
"""
TOKEN = "t" * 32
DOCUMENT = document(events.operations())
PATHS: dict[str, Any] = DOCUMENT["paths"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    folder = tmp_path_factory.mktemp("openapi")
    (folder / "users.csv").write_text("id,userName\n1,ada\n2,eve\n")
    (folder / "groups.csv").write_text("id,displayName\nops,Ops\n")
    (folder / "members.csv").write_text("group_id,member_id\nops,1\n")
    with daemon(folder, CONFIG, {"TOKEN": TOKEN}) as found:
        yield found


@pytest.fixture
async def http(running: RunningDaemon) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=running.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


def described(path: str, method: str, answer: httpx.Response) -> Any:
    """The body of an answer, after it was compared with its description."""
    found = PATHS[path][method]["responses"][str(answer.status_code)]["content"]
    schema = found[answer.headers["content-type"].partition(";")[0]]["schema"]
    check = jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})
    check.validate(answer.json())
    return answer.json()


async def test_real_answers_are_as_described(http: httpx.AsyncClient) -> None:
    pull, person = "/api/v1/directories/{directory}/pull", "/api/v1/directories/{directory}/people/{person}"
    assert described(pull, "post", await http.post("/api/v1/directories/hr/pull"))["status"] == "running"
    ended = described(pull, "post", await http.post("/api/v1/directories/hr/pull", params={"wait": "50s"}))
    assert (ended["pull"]["pull"]["users"], len(ended["deliveries"])) == (2, 2)
    failed = described(person, "post", await http.post("/api/v1/directories/hr/people/ada", params={"wait": "50s"}))
    assert failed["pull"]["code"] == "whole_pull"
    whole = failed["pull"]
    assert whole["error"] == f"{whole['message']}\n  → {whole['remedy']}"
    described(person, "post", await http.post("/api/v1/directories/it/people/ada"))
    described(pull, "post", await http.post("/api/v1/directories/hr/pull", params={"wait": "99s"}))
    [found] = described("/api/v1/directories", "get", await http.get("/api/v1/directories"))["directories"]
    assert found["users"] == 2
    page = described("/api/v1/events", "get", await http.get("/api/v1/events"))
    assert {event["type"] for event in page["events"]} == {"user.created", "group.created", "group.member_added"}
    for event in page["events"]:
        described("/api/v1/events/{event}", "get", await http.get(f"/api/v1/events/{event['id']}"))
    described("/api/v1/events/{event}", "get", await http.get("/api/v1/events/none"))
    pages = [described("/api/v1/snapshot", "get", await http.get("/api/v1/snapshot"))]
    while (following := pages[-1]["next"]) is not None:
        pages.append(
            described("/api/v1/snapshot", "get", await http.get("/api/v1/snapshot", params={"page": following}))
        )
    assert [sum(len(one[part]) for one in pages) for part in ("users", "groups", "memberships")] == [2, 1, 1]
    described("/api/v1/snapshot", "get", await http.get("/api/v1/snapshot", params={"page": "none"}))
    described("/.well-known/jwks.json", "get", await http.get("/.well-known/jwks.json"))
    served = described("/api/v1/openapi.json", "get", await http.get("/api/v1/openapi.json"))
    assert served == json.loads(json.dumps(DOCUMENT))


def test_every_answer_has_typed_fields() -> None:
    """A generator of clients makes a class of each answer."""
    schemas = DOCUMENT["components"]["schemas"]
    for path, methods in PATHS.items():
        for operation in methods.values():
            assert operation["operationId"]
            for answer in operation["responses"].values():
                for content in answer["content"].values():
                    name = content["schema"].get("$ref", "").rpartition("/")[2]
                    assert path == "/api/v1/openapi.json" or schemas[name]["properties"], path
    for name, schema in schemas.items():
        if name != "Event":
            assert schema.get("required", []) == list(schema.get("properties", {})), name


def test_the_document_refuses_other_answers() -> None:
    schema = {"$ref": "#/components/schemas/EndedRequest", "components": DOCUMENT["components"]}
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({"status": "ended", "pull": None, "deliveries": []})
    assert not check.is_valid({"status": "running", "pull": None, "deliveries": []})
    assert not check.is_valid({"status": "ended", "pull": {"run": 1}, "deliveries": []})
    assert not check.is_valid({"status": "ended", "deliveries": []})
