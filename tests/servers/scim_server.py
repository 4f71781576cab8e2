"""scim2-server with what a service provider has and the server alone has not, as a process of its own.

A tenant for each test (``/TENANT/v2``); memberships that end with their member; unknown members that are refused; and
faults, which ``POST /_faults`` orders. The protocol is scim2-server's, or that of another server behind the faults.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any
from wsgiref.simple_server import make_server

import httpx

from tests.servers.process import Process, free_port, listens

TOKEN = "t0ken-of-the-service-provider"
Environ = dict[str, Any]
HEADERS = {"Authorization": "HTTP_AUTHORIZATION", "Content-Type": "CONTENT_TYPE", "Accept": "HTTP_ACCEPT"}
"""The headers that a server behind the faults gets, and their names in the environment."""


class ScimServer:
    """A running server. Each test takes a tenant of its own."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self._tenants = 0
        self.address = f"http://127.0.0.1:{port}"

    @classmethod
    def start(cls, folder: Path, behind: int | None = None) -> ScimServer:
        """``behind``: the port of a server of loopback that answers instead of scim2-server."""
        import sys

        port = free_port()
        command = [sys.executable, "-m", "tests.servers.scim_server", str(port), *([str(behind)] if behind else [])]
        return cls(Process(command, folder / "scim.log", lambda: listens(port), cwd=Path(__file__).parents[2]), port)

    def tenant(self) -> ScimTenant:
        """A service provider without users and groups."""
        self._tenants += 1
        return ScimTenant(self.address, f"t{self._tenants}")

    def stop(self) -> None:
        self._process.stop()


class ScimTenant:
    """One service provider: what it holds, and its faults."""

    def __init__(self, address: str, name: str) -> None:
        self._address = address
        self._name = name
        self.url = f"{address}/{name}/v2"
        self._client = httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)

    def resources(self, route: str) -> list[dict[str, Any]]:
        """All resources of ``Users`` or ``Groups``, as the server stores them, not through its faults."""
        found = self._client.get(f"{self.url}/{route}?count=100000", headers={"X-Plain": "1"}).raise_for_status().json()
        return list(found.get("Resources", []))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """A request of somebody else."""
        response = self._client.request(method, f"{self.url}/{path}", json=body, headers={"X-Plain": "1"})
        response.raise_for_status()
        return response.json() if response.content else None

    def has_cursors(self) -> bool:
        """Whether it pages by cursor too (RFC 9865, section 4)."""
        return bool(self.request("GET", "ServiceProviderConfig").get("pagination", {}).get("cursor"))

    def fault(self, **rule: Any) -> None:
        """Order a fault: ``method``, ``path`` (an expression), ``times``, and what happens: see :class:`Faults`."""
        self._client.post(f"{self._address}/_faults", json={"tenant": self._name, **rule}).raise_for_status()

    def requests(self) -> list[tuple[str, str, Any]]:
        """The connector's requests so far: method, path with query, body."""
        return [tuple(one) for one in self._client.get(f"{self._address}/_requests/{self._name}").json()]


class Faults:
    """A WSGI layer that does what was ordered: ``status``, ``headers`` and ``body`` instead of an answer, ``after`` the
    request was carried out; ``cut``: half of the answer; ``lost``: no answer, and nothing carried out; ``drop_filter``;
    ``invents``: resources added to listings; ``total``: stated by listings; ``doubles``: each resource of a listing
    comes twice; ``each``: keys of every resource of a listing, None: left out; ``seconds`` of waiting."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self._inner = inner
        self._rules: list[dict[str, Any]] = []
        self._requests: dict[str, list[tuple[str, str, Any]]] = {}
        self._lock = Lock()

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        sent = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = BytesIO(sent)
        if path == "/_faults":
            self._rules.append(json.loads(sent))
            return _answer(start, 200, {})
        if path.startswith("/_requests/"):
            return _answer(start, 200, self._requests.get(path.rpartition("/")[2], []))
        if "HTTP_X_PLAIN" in environ:
            return self._inner(environ, start)
        tenant = path.split("/")[1]
        query = environ.get("QUERY_STRING", "")
        shown = path.removeprefix(f"/{tenant}/v2") + (f"?{query}" if query else "")
        with self._lock:
            self._requests.setdefault(tenant, []).append((method, shown, json.loads(sent) if sent else None))
            rule = self._rule(tenant, method, shown, sent.decode())
        if rule is None:
            return self._inner(environ, start)
        time.sleep(rule.get("seconds", 0))
        if rule.get("drop_filter"):
            environ["QUERY_STRING"] = re.sub(r"filter=[^&]*&?", "", query)
        if "status" in rule and not rule.get("after"):
            return _answer(start, rule["status"], rule.get("body", {}), rule.get("headers", {}))
        if rule.get("lost"):
            start("200 OK", [("Content-Length", "1000")])
            return [b""]
        answered = _Recorded(self._inner, environ)
        if "status" in rule:
            return _answer(start, rule["status"], rule.get("body", {}), rule.get("headers", {}))
        if rule.get("cut"):
            start("200 OK", [*answered.headers, ("Content-Length", str(len(answered.body) + 1000))])
            return [answered.body[: len(answered.body) // 2]]
        body = answered.changed(rule)
        start(answered.status, [(name, value) for name, value in answered.headers if name != "Content-Length"])
        return [body]

    def _rule(self, tenant: str, method: str, path: str, body: str) -> dict[str, Any] | None:
        for rule in self._rules:
            if rule["tenant"] != tenant or rule.get("method", method) != method or rule.get("times", 1) < 1:
                continue
            if re.search(rule.get("path", ""), path) and re.search(rule.get("sent", ""), body):
                rule["times"] = rule.get("times", 1) - 1
                return rule
        return None


class _Recorded:
    """The answer of the application inside."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], environ: Environ) -> None:
        self.status, self.headers = "", list[tuple[str, str]]()

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            self.status, self.headers = status, headers

        self.body = b"".join(inner(environ, start))

    def changed(self, rule: dict[str, Any]) -> bytes:
        try:
            body = json.loads(self.body)
        except ValueError:
            return self.body
        if "Resources" in body or "totalResults" in body:
            each = rule.get("each", {})
            found = [
                {name: value for name, value in (one | each).items() if value is not None}
                for one in body.get("Resources", [])
            ]
            body["Resources"] = [*found, *found, *rule.get("invents", [])] if rule.get("doubles") else [
                *found, *rule.get("invents", [])
            ]  # fmt: skip
            body["totalResults"] = rule.get("total", body.get("totalResults"))
        return json.dumps(body).encode()


def _answer(start: Callable[..., Any], status: int, body: Any, headers: dict[str, str] | None = None) -> list[bytes]:
    start(f"{status} Ordered", [("Content-Type", "application/json"), *(headers or {}).items()])
    return [json.dumps(body).encode()]


def application(*, token: str = TOKEN) -> Callable[..., Iterable[bytes]]:
    """The server: RFC 7643's schemas, with a description and an address for groups."""
    from scim2_models import InvalidValueException, Pagination, ScimProvider
    from scim2_server.applications.wsgi import TenantDispatcher
    from scim2_server.memory import InMemoryStorage
    from scim2_server.service import ScimService
    from scim2_server.testserver.application import BearerTokenApplication
    from scim2_server.utils import (
        load_default_resource_types,
        load_default_schemas,
        load_default_service_provider_config,
    )

    class IntegralStorage(InMemoryStorage):
        """Members exist: a deleted one leaves its groups, an unknown one is refused."""

        def create(self, resource_type: Any, resource: Any) -> Any:
            self._check_members(resource)
            return super().create(resource_type, resource)

        def update(self, resource_type: Any, resource: Any, *, expected_version: str | None = None) -> Any:
            self._check_members(resource)
            return super().update(resource_type, resource, expected_version=expected_version)

        def delete(self, resource_type: Any, resource_id: str, *, expected_version: str | None = None) -> None:
            super().delete(resource_type, resource_id, expected_version=expected_version)
            groups: list[Any] = list(self._resources.get("Group", {}).values())
            for group in groups:
                if any(member.value == resource_id for member in getattr(group, "members", None) or ()):
                    group.members = [member for member in group.members if member.value != resource_id] or None

        def _check_members(self, resource: Any) -> None:
            known = {each for resources in self._resources.values() for each in resources}
            for member in getattr(resource, "members", None) or ():
                if member.value not in known:
                    raise InvalidValueException(detail=f"no resource has the id {member.value}")

    schemas = load_default_schemas()
    group = next(schema for schema in schemas.values() if schema.name == "Group")
    title = next(each for schema in schemas.values() for each in schema.attributes or () if each.name == "title")
    group.attributes = [
        *(group.attributes or ()),
        *(title.model_copy(update={"name": name}) for name in ("description", "email")),
    ]
    config = load_default_service_provider_config()
    config.pagination = Pagination(cursor=True, index=True)
    provider = ScimProvider.from_discovery(schemas.values(), load_default_resource_types().values(), config=config)
    service = ScimService(provider, secret="s" * 40)
    return TenantDispatcher(
        lambda _: BearerTokenApplication(IntegralStorage(), provider, service=service, bearer_tokens=[token])
    )


def forwarding(port: int) -> Callable[..., Iterable[bytes]]:
    """Another server of loopback, as an application."""
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)

    def forward(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        sent = {name: environ[key] for name, key in HEADERS.items() if environ.get(key)}
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = client.request(environ["REQUEST_METHOD"], path, headers=sent, content=content)
        kind = [("Content-Type", answer.headers["Content-Type"])] if answer.content else []
        start(f"{answer.status_code} {answer.reason_phrase}", kind)
        return [answer.content]

    return forward


def main() -> None:
    from scim2_server.testserver.cli import ThreadingWSGIServer

    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("behind", type=int, nargs="?")
    asked = parser.parse_args()
    inner = application() if asked.behind is None else forwarding(asked.behind)
    with make_server("127.0.0.1", asked.port, Faults(inner), server_class=ThreadingWSGIServer) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
