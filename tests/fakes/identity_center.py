"""A service provider that behaves as AWS documents IAM Identity Center: docs.aws.amazon.com/singlesignon/latest/
developerguide (limitations, listusers, createuser, patchgroup). It is strict: what AWS does not document is refused."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

PREFIX = "/Rz2x1000-1234/scim/v2"
TOKEN = "a-token-of-identity-center"
FILTER = re.compile(r'(userName|externalId|displayName|id) eq "((?:[^"\\]|\\.)*)"')
LARGEST = 100


class Refusal(Exception):
    """A request that the service refuses."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class IdentityCenter:
    """Users and groups by id; a group's members in ``members``, which are never returned."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.members: dict[str, set[str]] = {}
        self.lock = Lock()
        center = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                try:
                    with center.lock:
                        status, body = center.handle(self.command, self.path, self.headers, json.loads(sent or b"{}"))
                except Refusal as refusal:
                    status, body = refusal.status, {"detail": refusal.detail, "status": str(refusal.status)}
                data = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/scim+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{PREFIX}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, method: str, target: str, headers: Any, body: dict[str, Any]) -> tuple[int, Any]:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refusal(401, "UnauthorizedException")
        if method == "PATCH" and not headers.get("User-Agent"):
            raise Refusal(403, "blocked")
        parts = urlsplit(target)
        path = parts.path.removeprefix(PREFIX).split("/")[1:]
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if path == ["ServiceProviderConfig"]:
            supported = {"patch": True, "filter": True, "bulk": False, "sort": False, "etag": False}
            return 200, {name: {"supported": value} for name, value in supported.items()}
        held = {"Users": self.users, "Groups": self.groups}.get(path[0])
        if held is None or (len(path) == 2 and path[1] not in held) or len(path) > 2:
            raise Refusal(404, "ResourceNotFoundException")
        if len(path) == 1:
            return (201, self._create(path[0], held, body)) if method == "POST" else (200, self._list(held, query))
        return self._one(method, path[0], path[1], body)

    def _list(self, held: dict[str, dict[str, Any]], query: dict[str, str]) -> Any:
        if unknown := query.keys() - {"filter", "count", "cursor"}:
            raise Refusal(400, f"ValidationException: {unknown}")
        count = int(query.get("count", LARGEST))
        if not 1 <= count <= LARGEST:
            raise Refusal(400, "ValidationException: count")
        found = list(held.values())
        for term in filter(None, query.get("filter", "").split(" and ")):
            match = FILTER.fullmatch(term)
            if match is None:
                raise Refusal(400, f"ValidationException: filter {term}")
            found = [one for one in found if str(one.get(match[1])).lower() == json.loads(f'"{match[2]}"').lower()]
        start = int(query.get("cursor") or 0)
        page = {"totalResults": len(found), "Resources": found[start : start + count]}
        return page | ({"nextCursor": str(start + count)} if start + count < len(found) else {})

    def _create(self, route: str, held: dict[str, dict[str, Any]], body: dict[str, Any]) -> Any:
        self._validate(route, body)
        unique = ("userName", "externalId") if route == "Users" else ("displayName", "externalId")
        for name in unique:
            if body.get(name) and any(one.get(name) == body[name] for one in held.values()):
                raise Refusal(409, f"ConflictException: Duplicate {name}")
        created = {**body, "id": str(uuid4())}
        held[created["id"]] = created
        if route == "Groups":
            self.members[created["id"]] = set()
        return created

    def _validate(self, route: str, body: dict[str, Any]) -> None:
        needed = [body.get("displayName")]
        if route == "Users":
            name = body.get("name", {})
            needed += [body.get("userName"), name.get("givenName"), name.get("familyName")]
        if not all(needed):
            raise Refusal(400, "ValidationException: a required attribute is missing")
        if any(len(body.get(name, [])) > 1 for name in ("emails", "phoneNumbers", "addresses")):
            raise Refusal(400, "ValidationException: more than one value")
        if refused := body.keys() & {"password", "ims", "photos", "x509Certificates", "entitlements"}:
            raise Refusal(400, f"ValidationException: {refused}")

    def _one(self, method: str, route: str, id_: str, body: dict[str, Any]) -> tuple[int, Any]:
        held = self.users if route == "Users" else self.groups
        if method == "GET":
            return 200, held[id_]
        if method == "DELETE":
            del held[id_]
            self.members.pop(id_, None)
            for members in self.members.values():
                members.discard(id_)
            return 204, None
        if method == "PATCH" and route == "Users":
            held[id_] = self._patched(held[id_], body)
            return 200, held[id_]
        if method == "PATCH":
            self._patch_group(id_, body)
            return 204, None
        raise Refusal(400, f"ValidationException: {method} is not supported")

    def _patched(self, user: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        user = json.loads(json.dumps(user))
        for operation in body["Operations"]:
            urn, _, name = operation["path"].rpartition(":")
            home = user.setdefault(urn, {}) if urn else user
            *parents, last = name.split(".")
            for parent in parents:
                home = home.setdefault(parent, {})
            if operation["op"] == "remove":
                home.pop(last, None)
            else:
                home[last] = operation["value"]
        self._validate("Users", user)
        return user

    def _patch_group(self, id_: str, body: dict[str, Any]) -> None:
        for operation in body["Operations"]:
            if operation.get("path") == "displayName":
                self.groups[id_]["displayName"] = operation["value"]
                continue
            ids = {one["value"] for one in operation.get("value", [])}
            if operation.get("path") != "members" or operation["op"] not in ("add", "remove") or not ids:
                raise Refusal(400, "ValidationException: operation")
            if len(ids) > LARGEST:
                raise Refusal(400, "ValidationException: more than 100 members")
            if unknown := ids - self.users.keys():
                raise Refusal(400, f"ValidationException: unknown {sorted(unknown)}")
            self.members[id_] = self.members[id_] | ids if operation["op"] == "add" else self.members[id_] - ids
