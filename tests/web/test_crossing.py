"""No token opens anything but its own: every route is tried with every token, before and after a reload."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from tests.web.daemon import RunningDaemon, daemon

CONFIG = """
directories:
  east: {connector: scim, options: {tokens: [{name: one, secret: {env: EAST}}, {name: two, secret: {env: EAST_NEW}}]}}
  west:
    connector: scim
    options: {tokens: [{name: one, secret: {env: WEST}}], oauth: {client_id: ping, client_secret: {env: WEST_CLIENT}}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
  news: {connector: events, directories: [east], options: {tokens: [{name: crm, secret: {env: NEWS}}]}}
  logs: {connector: events, directories: [west], options: {tokens: [{name: siem, secret: {env: LOGS}}]}}
web:
  listen: 127.0.0.1:8470
  url: https://sync.acme.example
  tokens:
    - {name: dashboard, secret: {env: VIEWER}}
    - {name: sign-in, role: operator, secret: {env: OPERATOR}}
"""
NAMES = ("EAST", "EAST_NEW", "WEST", "WEST_CLIENT", "NEWS", "LOGS", "VIEWER", "OPERATOR")
TOKENS = {name: f"{name.lower()}-" + "x" * 30 for name in NAMES}
USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada@acme.example"}
CLIENT = httpx.Client(trust_env=False)
SCIM = [
    *(("GET", f"/scim/v2/{{}}/{rest}") for rest in ("Users", "Groups", "Users/{}", "Groups/none", "Schemas", "Me")),
    *(("GET", f"/scim/v2/{{}}/{rest}") for rest in ("ServiceProviderConfig", "ResourceTypes", "", "nothing")),
    *((method, "/scim/v2/{}/Users/{}") for method in ("PUT", "PATCH", "DELETE")),
    *(("POST", f"/scim/v2/{{}}/{rest}") for rest in ("Users", "Groups", "Users/.search", "Bulk")),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    folder: Path = tmp_path_factory.mktemp("crossing")
    with daemon(folder, CONFIG, TOKENS) as found:
        yield found


def ask(running: RunningDaemon, method: str, path: str, token: str | None) -> int:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return CLIENT.request(method, running.url + path, headers=headers, json=USER).status_code


def opens(status: int) -> bool:
    """Whether a request passed the gate. An address that sent many wrong tokens gets 429 instead of 401."""
    return status not in (401, 429)


OWN = {"east": {"EAST", "EAST_NEW"}, "west": {"WEST"}}


@pytest.mark.parametrize("directory", ["east", "west", "none"])
def test_a_directory_is_opened_by_its_own_tokens_only(running: RunningDaemon, directory: str) -> None:
    for (method, path), name in product(SCIM, (*NAMES, None)):
        address = path.format(directory, "0" * 32)
        opened = opens(ask(running, method, address, name and TOKENS[name]))
        assert opened is (name in OWN.get(directory, set())), (method, address, name)


@pytest.mark.parametrize(
    ("method", "path", "own"),
    [
        ("GET", "/api/v1/directories", {"VIEWER", "OPERATOR"}),
        ("GET", "/api/v1/openapi.json", {"VIEWER", "OPERATOR"}),
        ("POST", "/api/v1/directories/east/pull", {"OPERATOR"}),
        ("POST", "/api/v1/directories/east/people/ada", {"OPERATOR"}),
        ("GET", "/api/v1/events?target=news", {"NEWS"}),
        ("GET", "/api/v1/snapshot?target=news", {"NEWS"}),
        ("GET", "/api/v1/events/none?target=news", {"NEWS"}),
        ("GET", "/api/v1/events?target=logs", {"LOGS"}),
        ("GET", "/api/v1/events?target=app", set()),
        ("GET", "/api/v1/events", set()),
        ("GET", "/api/v1/events?target=news&target=logs", {"LOGS"}),
    ],
)
def test_the_api_and_each_stream_are_opened_by_their_own_tokens_only(
    running: RunningDaemon, method: str, path: str, own: set[str]
) -> None:
    for name in (*NAMES, None):
        status = ask(running, method, path, name and TOKENS[name])
        assert (opens(status) and status != 403) is (name in own), (path, name, status)


@pytest.mark.parametrize(
    "path", ["/scim/v2/east/../west/Users", "/scim/v2/east%2f..%2fwest/Users", "/scim/v2//west/Users"]
)
def test_no_path_leads_from_one_directory_to_another(running: RunningDaemon, path: str) -> None:
    assert ask(running, "GET", path, TOKENS["EAST"]) in (401, 404, 429)


def test_what_one_directory_pushes_is_not_in_another(running: RunningDaemon) -> None:
    headers = {"authorization": f"Bearer {TOKENS['EAST']}"}
    user = USER | {"userName": "grace@acme.example"}
    created = CLIENT.post(f"{running.url}/scim/v2/east/Users", headers=headers, json=user).json()
    others = {"authorization": f"Bearer {TOKENS['WEST']}"}
    for path in (f"Users/{created['id']}", 'Users?filter=userName eq "grace@acme.example"'):
        answer = CLIENT.get(f"{running.url}/scim/v2/west/{path}", headers=others)
        assert answer.status_code == 404 or answer.json()["totalResults"] == 0
    assert ask(running, "DELETE", f"/scim/v2/west/Users/{created['id']}", TOKENS["WEST"]) == 404
    assert ask(running, "GET", f"/scim/v2/east/Users/{created['id']}", TOKENS["EAST_NEW"]) == 200


def test_a_reload_ends_a_token_that_was_removed(running: RunningDaemon) -> None:
    assert ask(running, "GET", "/scim/v2/east/Users", TOKENS["EAST"]) == 200
    file = running.folder / "usersyncd.yaml"
    file.write_text(file.read_text("utf-8").replace("{name: one, secret: {env: EAST}}, ", ""), "utf-8")
    running.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while opens(ask(running, "GET", "/scim/v2/east/Users", TOKENS["EAST"])):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert ask(running, "GET", "/scim/v2/east/Users", TOKENS["EAST_NEW"]) == 200


def test_the_log_names_addresses_and_never_tokens(running: RunningDaemon) -> None:
    assert '"web.refused"' in running.log
    assert '"address": "127.0.0.1"' in running.log
    assert not [name for name in NAMES if TOKENS[name] in running.log]
