"""No token opens anything but its own: every route is tried with every token, before and after a reload."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from tests.web.daemon import RunningDaemon, daemon
from tests.web.serving import FakeBackend
from usersyncd.daemon.reload import load_jobs
from usersyncd.daemon.web_service import WebService
from usersyncd.state.database import open_database

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
PASSWORD = "1mz050nq-password"
CLIENT = httpx.Client(trust_env=False)
SCIM = [
    *(("GET", rest) for rest in ("Users", "Groups", f"Users/{'0' * 32}", "Groups/none", "Schemas", "Me")),
    *(("GET", rest) for rest in ("ServiceProviderConfig", "ResourceTypes", "nothing")),
    *((method, f"Users/{'0' * 32}") for method in ("PUT", "PATCH", "DELETE")),
    *(("POST", rest) for rest in ("Users", "Groups", "Users/.search", ".search", "Bulk")),
]
DIRECTORIES = {"east": {"EAST", "EAST_NEW"}, "west": {"WEST", "ACCESS"}, "none": set()}
"""Each directory and the tokens that open it. ``ACCESS`` is an access token of the client of ``west``."""
READERS, OPERATORS = {"VIEWER", "OPERATOR"}, {"OPERATOR"}
TRIED: dict[str, list[tuple[str, str, set[str]]]] = {
    "/scim/v2/{directory}": [("GET", f"/scim/v2/{name}", own) for name, own in DIRECTORIES.items()],
    "/scim/v2/{directory}/{rest:path}": [
        (method, f"/scim/v2/{name}/{rest}", own) for name, own in DIRECTORIES.items() for method, rest in SCIM
    ],
    "/oauth/{directory}/token": [("POST", f"/oauth/{name}/token", set()) for name in DIRECTORIES],
    "/api/v1/directories": [("GET", "/api/v1/directories", READERS)],
    "/api/v1/openapi.json": [("GET", "/api/v1/openapi.json", READERS)],
    "/api/v1/directories/{directory}/pull": [("POST", "/api/v1/directories/east/pull", OPERATORS)],
    "/api/v1/directories/{directory}/people/{person:path}": [
        ("POST", "/api/v1/directories/east/people/ada", OPERATORS)
    ],
    "/api/v1/events": [
        ("GET", "/api/v1/events?target=news", {"NEWS"}),
        ("GET", "/api/v1/events?target=logs", {"LOGS"}),
        ("GET", "/api/v1/events?target=app", set()),
        ("GET", "/api/v1/events", set()),
        ("GET", "/api/v1/events?target=news&target=logs", {"LOGS"}),
    ],
    "/api/v1/events/{event}": [("GET", "/api/v1/events/none?target=news", {"NEWS"})],
    "/api/v1/snapshot": [("GET", "/api/v1/snapshot?target=news", {"NEWS"})],
}
"""For each route: requests, and the tokens that open them."""
PUBLIC = {"/livez", "/readyz", "/.well-known/jwks.json"}
"""The routes that need no token."""


def routes_of(app: Any) -> list[Route]:
    """The routes behind the layers of an application."""
    while not hasattr(app, "routes"):
        app = getattr(app, "app", None) or app._app
    found: list[Route] = app.routes
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    folder: Path = tmp_path_factory.mktemp("crossing")
    with daemon(folder, CONFIG, TOKENS) as found:
        yield found


@pytest.fixture(scope="module")
def tokens(running: RunningDaemon) -> dict[str | None, str | None]:
    """Every token by name, and none."""
    granted = ask_for_access(running, "west", "ping", TOKENS["WEST_CLIENT"])
    return {None: None, "ACCESS": granted.json()["access_token"]} | TOKENS


def ask(running: RunningDaemon, method: str, path: str, token: str | None) -> int:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return CLIENT.request(method, running.url + path, headers=headers, json=USER).status_code


def ask_for_access(running: RunningDaemon, directory: str, client: str, secret: str) -> httpx.Response:
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    return CLIENT.post(f"{running.url}/oauth/{directory}/token", data=form)


def opens(status: int) -> bool:
    """Whether a request passed the gate. An address that sent many wrong tokens gets 429 instead of 401."""
    return status not in (401, 403, 429)


def test_every_route_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The routes of the service that the daemon makes of the same configuration, with all their methods."""
    for name, token in TOKENS.items():
        monkeypatch.setenv(name, token)
    (tmp_path / "usersyncd.yaml").write_text(CONFIG, "utf-8")
    loaded = load_jobs(tmp_path / "usersyncd.yaml")
    config = loaded.config.web
    assert config is not None
    applications: list[Any] = []
    monkeypatch.setattr("usersyncd.web.server.WebServer", lambda _config, app: applications.append(app))
    with closing(open_database(f"sqlite:///{tmp_path}/state.db")) as database:
        WebService(loaded, config, database, FakeBackend(), lambda _name: None)
    routes = routes_of(applications[0])
    assert {route.path for route in routes} == TRIED.keys() | PUBLIC
    for route in routes:
        if route.path not in PUBLIC:
            methods = {method for method, _, _ in TRIED[route.path]}
            assert (route.methods or methods) - {"HEAD"} <= methods, route.path


@pytest.mark.parametrize("route", TRIED)
def test_a_route_is_opened_by_its_own_tokens_only(
    running: RunningDaemon, tokens: dict[str | None, str | None], route: str
) -> None:
    for (method, address, own), (name, token) in product(TRIED[route], tokens.items()):
        assert opens(ask(running, method, address, token)) is (name in own), (method, address, name)


def test_a_client_gets_access_to_its_own_directory_only(
    running: RunningDaemon, tokens: dict[str | None, str | None]
) -> None:
    for directory, (name, secret) in product(DIRECTORIES, tokens.items()):
        for client in ("ping", "one", "two"):
            granted = ask_for_access(running, directory, client, secret or "").status_code == 200
            assert granted is ((directory, client, name) == ("west", "ping", "WEST_CLIENT")), (directory, client, name)


def test_a_directory_says_which_tokens_it_takes(running: RunningDaemon) -> None:
    schemes = {}
    for directory in ("east", "west"):
        headers = {"authorization": f"Bearer {TOKENS[directory.upper()]}"}
        config = CLIENT.get(f"{running.url}/scim/v2/{directory}/ServiceProviderConfig", headers=headers).json()
        schemes[directory] = config["authenticationSchemes"]
    assert [each["type"] for each in schemes["east"]] == ["oauthbearertoken"]
    assert [each["type"] for each in schemes["west"]] == ["oauthbearertoken", "oauth2"]
    assert "https://sync.acme.example/oauth/west/token" in schemes["west"][1]["description"]


@pytest.mark.parametrize(
    "path", ["/scim/v2/east/../west/Users", "/scim/v2/east%2f..%2fwest/Users", "/scim/v2//west/Users"]
)
def test_no_path_leads_from_one_directory_to_another(running: RunningDaemon, path: str) -> None:
    assert ask(running, "GET", path, TOKENS["EAST"]) in (401, 404, 429)


def test_what_one_directory_pushes_is_not_in_another(running: RunningDaemon) -> None:
    headers = {"authorization": f"Bearer {TOKENS['EAST']}"}
    user = USER | {"userName": "grace@acme.example", "password": PASSWORD}
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


def test_passwords_are_neither_kept_nor_logged(running: RunningDaemon) -> None:
    """Okta sends them even if nobody uses them."""
    url, headers = f"{running.url}/scim/v2/east/Users", {"authorization": f"Bearer {TOKENS['EAST_NEW']}"}
    sent = USER | {"userName": "hedy@acme.example", "password": PASSWORD}
    created = CLIENT.post(url, headers=headers, json=sent)
    assert (created.status_code, CLIENT.post(url, headers=headers, json=sent).status_code) == (201, 409)
    patch = {"Operations": [{"op": "replace", "value": {"password": PASSWORD}}]}
    assert CLIENT.patch(f"{url}/{created.json()['id']}", headers=headers, json=patch).status_code == 204
    assert CLIENT.post(url, headers=headers, content=f'{{"password": "{PASSWORD}"').status_code == 400
    files = {file.name: file.read_bytes() for file in running.folder.rglob("*") if file.is_file()}
    assert [name for name, content in files.items() if b"hedy@acme.example" in content]
    assert not [name for name, content in files.items() if PASSWORD.encode() in content]


def test_the_log_names_addresses_and_never_tokens(running: RunningDaemon) -> None:
    assert '"web.refused"' in running.log
    assert '"address": "127.0.0.1"' in running.log
    assert not [name for name in NAMES if TOKENS[name] in running.log]
