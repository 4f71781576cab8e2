"""Bodies that no provider sends: every answer is one of SCIM, and none shows a resource under another one's id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.run.migrated import migrated_sqlite
from usersyncd.scim.schema import ENTERPRISE, GROUP, USER

VICTIM = "victim"
SETTINGS = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = [
    "id", "ID", "userName", "displayName", "externalId", "schemas", "meta", "groups", "members", "password", "active",
    "emails", "name", "manager", "value", "primary", "$ref", "type", "x", "", "a.b", USER, USER.upper(), GROUP,
    ENTERPRISE, f"{USER}:id", f"{USER}:password", "urn:x", "urn:a:b:c",
]  # fmt: skip
"""Attributes, also under URNs."""
TEXTS = [VICTIM, "anna", "", " ", "true", "\0", "a\0b", "\ud83d", "\\u0000", "😀", "x" * 700, "9" * 30]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(TEXTS),
    st.sampled_from([0, -1, 2**63, -(2**63) - 1, 2**64, 10**30, 1e300]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
DEEP = st.integers(25, 900).map(lambda depth: "[" * depth + "]" * depth)
ODD_TEXT = st.sampled_from([r"\ud83d", r"a\u0000b", VICTIM, "x"])
PATHS = st.one_of(
    st.sampled_from([*NAMES, f"{USER}:groups", f"{ENTERPRISE}:manager.value", "emails.value", "x[", "emails[type]"]),
    st.builds(
        lambda name, part, text, sub: f'{name}[{part} eq "{text}"]{sub}',
        st.sampled_from(["emails", "members", "x", "groups", f"{USER}:emails"]),
        st.sampled_from(["value", "type", "x"]), ODD_TEXT, st.sampled_from(["", ".value", ".x"]),
    ),
)  # fmt: skip
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove"])}, optional={"path": PATHS, "value": VALUES | OBJECTS}
)
QUERIES = st.one_of(
    st.builds(
        lambda name, op, text: {"filter": f'{name} {op} "{text}"'},
        st.sampled_from(["userName", "externalId", "id", "emails.value", "title", "x.y", f"{ENTERPRISE}:manager"]),
        st.sampled_from(["eq", "ne", "co", "gt"]), ODD_TEXT,
    ),
    st.builds(lambda name, key: {key: name}, PATHS, st.sampled_from(["attributes", "excludedAttributes", "sortBy"])),
    st.sampled_from([{"startIndex": "9" * 30}, {"count": 10**30}, {"startIndex": 1e300}, {"cursor": "\\ud83d"}]),
)  # fmt: skip


@pytest.fixture
def state(tmp_path: Path) -> str:
    """SQLite only: what a database cannot hold has tests of its own."""
    return migrated_sqlite(tmp_path / "state.db")


def written(value: Any) -> bytes:
    """JSON as a program may write it: half characters and NUL as escapes, numbers of any size."""
    return json.dumps(value).encode()


async def send(scim: httpx.AsyncClient, method: str, path: str, body: bytes) -> httpx.Response:
    answer = await scim.request(method, path, content=body)
    assert answer.status_code < 500, (method, path, body, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["status"] == str(answer.status_code)
    return answer


async def new(scim: httpx.AsyncClient, path: str, **body: Any) -> str:
    answer = await scim.post(path, json=body)
    if answer.status_code == 409:
        key, value = next(iter(body.items()))
        return str((await scim.get(path, params={"filter": f'{key} eq "{value}"'})).json()["Resources"][0]["id"])
    return str(answer.json()["id"])


async def listed(scim: httpx.AsyncClient, path: str) -> None:
    """Each resource of a listing is found under its id."""
    answer = await scim.get(path, params={"excludedAttributes": "x.y", "count": 1000})
    assert answer.status_code == 200, answer.text
    found = [(each["id"], each["meta"]["location"].rpartition("/")[2]) for each in answer.json()["Resources"]]
    assert all(own == address for own, address in found)
    assert len({own for own, _ in found}) == len(found)
    assert "hunter2" not in answer.text


@SETTINGS
@example(body={USER: {"id": VICTIM, "password": "hunter2"}}, deep="1", endpoint="/Users")
@example(body={GROUP: {"id": VICTIM, "members": [{"value": "\ud83d"}]}}, deep="1", endpoint="/Groups")
@given(body=OBJECTS, deep=st.just("1") | DEEP, endpoint=st.sampled_from(["/Users", "/Groups"]))
async def test_odd_resources(scim: httpx.AsyncClient, body: dict[str, Any], deep: str, endpoint: str) -> None:
    victim = await new(scim, endpoint, **{"userName" if endpoint == "/Users" else "displayName": VICTIM})
    own = await new(scim, endpoint, **{"userName" if endpoint == "/Users" else "displayName": "own"})
    sent = written({"userName": "new", "displayName": "new", **body})
    sent = sent.replace(f'"{VICTIM}"'.encode(), f'"{victim}"'.encode())[:-1] + b', "deep": ' + deep.encode() + b"}"
    for method, path in (("POST", endpoint), ("PUT", f"{endpoint}/{own}"), ("POST", f"{endpoint}/.search")):
        answer = await send(scim, method, path, sent)
        if answer.status_code in (200, 201) and not path.endswith(".search"):
            shown = answer.json()
            assert shown["id"] != victim
            assert shown["meta"]["location"].endswith(shown["id"])
            assert "password" not in {name.lower() for name in shown}
            if method == "POST":
                assert (await scim.delete(f"{endpoint}/{shown['id']}")).status_code == 204
    await listed(scim, endpoint)


@SETTINGS
@example(operations=[{"op": "add", "value": {"": 1}}], endpoint="/Users")
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=4), endpoint=st.sampled_from(["/Users", "/Groups"]))
async def test_odd_patches(scim: httpx.AsyncClient, operations: list[dict[str, Any]], endpoint: str) -> None:
    victim = await new(scim, endpoint, **{"userName" if endpoint == "/Users" else "displayName": VICTIM})
    own = await new(scim, endpoint, **{"userName" if endpoint == "/Users" else "displayName": "own"})
    sent = written({"Operations": operations}).replace(f'"{VICTIM}"'.encode(), f'"{victim}"'.encode())
    await send(scim, "PATCH", f"{endpoint}/{own}", sent)
    shown = (await scim.get(f"{endpoint}/{own}")).json()
    assert shown["id"] == own
    assert "password" not in {name.lower() for name in shown}
    await listed(scim, endpoint)
    assert (await scim.delete(f"{endpoint}/{own}")).status_code == 204


@SETTINGS
@given(query=QUERIES)
async def test_odd_queries(scim: httpx.AsyncClient, query: dict[str, Any]) -> None:
    await new(scim, "/Users", userName=VICTIM)
    for path in ("/Users", "/Groups", ""):
        await send(scim, "POST", f"{path}/.search", msgspec.json.encode(query))
    answer = await scim.get("/Users", params=query)
    assert answer.status_code < 500, answer.text
