"""Microsoft Graph and its sign-in, over real HTTP, on a free port of this machine."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.fakes.graph.delta import Rounds
from tests.fakes.graph.faults import PASSING, Faults
from tests.fakes.graph.query import DEFAULT_USER, BadRequest, where
from tests.fakes.graph.signin import TENANT, SignIn
from tests.fakes.graph.tenant import Kind, Tenant

KINDS: Mapping[str, Kind] = {"users": "user", "groups": "group"}
UNITS = {"users": 2, "groups": 1, "members": 3, "memberOf": 2, "transitiveMembers": 5}
"""Resource units (learn.microsoft.com/graph/throttling-limits, identity and access)."""


class Graph:
    """The fake. ``url`` is the address of Graph and of the sign-in; ``requests`` are the requested paths."""

    def __init__(
        self, tenant: Tenant, *, page_size: int = 20, members_per_item: int = 15, remember: bool = False
    ) -> None:
        self.tenant = tenant
        self.faults = Faults()
        self.signin = SignIn()
        self.requests: list[str] = []
        self.page_size = page_size
        self._rounds = Rounds(tenant, self.faults, page_size=page_size, members_per_item=members_per_item)
        self._remembered: dict[str, bytes] | None = {} if remember else None
        """A cache of pages, for benchmarks with a tenant that does not change."""
        self.between: Callable[[], object] = lambda: None
        """Called before each response of Graph, so that a test can change the tenant during a pull."""
        self.spoil: Callable[[str, Response], Response] = lambda path, answer: answer
        """Changes responses by path: a test turns them into ones that Graph would not send."""
        self._spent: deque[tuple[float, int]] = deque()
        self.now = time.monotonic
        """The clock for the ten seconds of the resource units."""
        self._server: _Server | None = None
        self.url = ""

    # ---- life

    def start(self) -> Graph:
        config = uvicorn.Config(self._app(), host="127.0.0.1", port=0, log_level="critical", lifespan="off")
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, name="fake graph", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the fake of Graph did not start")
            time.sleep(0.002)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.leave()
            self._thread.join(10)
            self._server = None

    def __enter__(self) -> Graph:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # ---- routes

    def _app(self) -> Starlette:
        def api(path: str, answer: Callable[[Request], dict[str, Any] | Response]) -> Route:
            async def endpoint(request: Request) -> Response:
                return await self._guarded(request, answer)

            return route(f"/v1.0/{path}", endpoint)

        def route(path: str, answer: Callable[[Request], Awaitable[Response]], **more: Any) -> Route:
            async def endpoint(request: Request) -> Response:
                return self.spoil(request.url.path, await answer(request))

            return Route(path, endpoint, **more)

        return Starlette(
            routes=[
                route("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
                route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
                route("/metadata/identity/oauth2/token", self._managed),
                api("organization", self._organization),
                api("{kind}/delta", self._delta),
                api("{kind}/delta()", self._delta),  # as Microsoft's own client writes it
                api("{kind}/{id}/{which}/microsoft.graph.group", self._member_of),
                api("groups/{id}/{which}", self._members),
                api("{kind}", self._list),
                api("{kind}/{id}", self._one),
            ]
        )

    async def _configuration(self, request: Request) -> Response:
        found = self.signin.configuration(self._login(request), request.path_params["tenant"])
        if found is None:
            text = "AADSTS90002: Tenant not found. Check to make sure you have the correct tenant ID."
            return JSONResponse({"error": "invalid_tenant", "error_description": text}, 400)
        return JSONResponse(found)

    async def _token(self, request: Request) -> Response:
        form = {key: str(value) for key, value in (await _form(request)).items()}
        status, body = self.signin.token(form, self._login(request))
        return JSONResponse(body, status)

    async def _managed(self, request: Request) -> Response:
        status, body = self.signin.managed(dict(request.query_params), request.headers.get("metadata"))
        return JSONResponse(body, status)

    async def _guarded(self, request: Request, answer: Callable[[Request], dict[str, Any] | Response]) -> Response:
        """Common handling of all requests to Graph: faults, the token, units, errors."""
        self.requests.append(request.url.path.removeprefix("/v1.0/"))
        self.between()
        fault = self.faults.pick(PASSING)
        if fault == "token_dies":
            self.signin.revoke()
        if fault == "revoked":
            self.signin.revoke()
            self.signin.challenge = f"nbf-{len(self.requests)}"
        if not self.signin.is_good(request.headers.get("authorization", "")):
            return self._unauthorized()
        if fault in ("throttle", "throttle_date", "throttle_mute", "busy"):
            return self._busy(fault)
        if fault in ("html", "html_502"):
            page = "<html><head><title>Bad gateway</title></head><body>Try again</body></html>"
            return Response(page, 502 if fault == "html_502" else 200, media_type="text/html")
        spent = self._units(request)
        if spent > 1:
            return self._busy("throttle")
        try:
            found = self._remembering(request, answer)
        except BadRequest as error:
            return _failure(400, error.code, error.message)
        if fault in ("cut", "half"):
            return Cut(found.body, pretend=fault == "half")
        if spent > 0.8:
            found.headers["x-ms-throttle-limit-percentage"] = f"{spent:.2f}"
        return found

    def _remembering(self, request: Request, answer: Callable[[Request], dict[str, Any] | Response]) -> Response:
        key = str(request.url)
        if self._remembered is not None and key in self._remembered:
            return Response(self._remembered[key], media_type="application/json")
        found = answer(request)
        if isinstance(found, Response):
            return found
        response = Response(json.dumps(found, separators=(",", ":")).encode(), media_type="application/json")
        if self._remembered is not None and "$deltatoken" not in key:
            self._remembered[key] = bytes(response.body)
        return response

    # ---- answers

    def _organization(self, request: Request) -> dict[str, Any] | Response:
        if self.signin.app.roles.isdisjoint({"Organization.Read.All", "Directory.Read.All"}):
            return _denied()
        return {"value": [{"id": TENANT, "displayName": self.tenant.name}]}

    def _delta(self, request: Request) -> dict[str, Any] | Response:
        kind = self._kind(request)
        if kind is None or not self._may(kind):
            return _denied()
        query = request.query_params
        self._rounds.sees_hidden = "Member.Read.Hidden" in self.signin.app.roles
        if unknown := set(query) - {"$select", "$skiptoken", "$deltatoken", "$filter"}:
            raise BadRequest("BadRequest", f"Query option '{min(unknown)}' was not recognized or is not supported.")
        if query.get("$skiptoken"):
            if self.faults.pick(["expire_page"]):
                return _failure(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
            state = _opened(query["$skiptoken"])
            number, start = state["round"], state["start"]
        elif query.get("$deltatoken"):
            if self.faults.expire_cursor:
                return self._expired(request, self.faults.expire_cursor)
            state = _opened(query["$deltatoken"])
            minimal = "return=minimal" in request.headers.get("prefer", "")
            select = frozenset(state["select"]) if state["select"] is not None else None
            number, start = self._rounds.resume(kind, select, state["since"], minimal=minimal), 0
        else:
            number, start = self._rounds.begin(kind, _names(query.get("$select"))), 0
        if start > 0 and self.faults.pick(["empty_page"]):
            return self._page(request, [], number, start)
        page = self._rounds.page(number, start)
        return self._page(request, page.items, number, page.next)

    def _page(self, request: Request, items: Sequence[Any], number: int, following: int | None) -> dict[str, Any]:
        found, address = self._rounds.rounds[number], f"{self._base(request)}{request.url.path}"
        if following is not None:
            link = {"@odata.nextLink": f"{address}?$skiptoken={_sealed(round=number, start=following)}"}
        else:
            select = sorted(found.select) if found.select is not None else None
            token = _sealed(since=found.upto, select=select)
            link = {"@odata.deltaLink": f"{address}?$deltatoken={token}"}
        kind = request.path_params["kind"]
        return {"@odata.context": f"{self._base(request)}/v1.0/$metadata#{kind}", **link, "value": list(items)}

    def _expired(self, request: Request, how: str) -> Response:
        if how == "gone":
            address = f"{self._base(request)}{request.url.path}?$deltatoken="
            response = _failure(
                410, "resyncRequired", "Resync required. Replace any local items with the server's version."
            )
            response.headers["Location"] = address
            return response
        code, message = {
            "not_found": ("syncStateNotFound", "The sync state generation is not found; continue with a full sync."),
            "generation": ("Request_BadRequest", "The sync state generation is not found."),
            "resync": ("resyncApplyDifferences", "Resync required."),
        }[how]
        return _failure(400, code, message)

    def _list(self, request: Request) -> dict[str, Any] | Response:
        kind = self._kind(request)
        if kind is None or not self._may(kind):
            return _denied()
        query = request.query_params
        advanced = self._advanced(request)
        matches = where(query.get("$filter"), advanced=advanced)
        found = [{"id": key, **props} for key, props in self.tenant.of(kind).items() if matches({"id": key, **props})]
        select = _names(query.get("$select")) or (DEFAULT_USER if kind == "user" else None)
        expands = query.get("$expand") == "manager($select=id)"
        items = [self._item(props["id"], props, select, query) for props in found]
        return self._paged(request, items, most=100 if expands else 999, count=advanced)

    def _item(
        self, identifier: str, props: Mapping[str, Any], select: frozenset[str] | None, query: Mapping[str, str]
    ) -> dict[str, Any]:
        """One object with the selected properties. A property without a value is null."""
        item = {"id": identifier, **{k: v for k, v in props.items() if select is None or k in select or k[0] == "@"}}
        for name in (select or frozenset()) - {"id", "manager"}:
            item.setdefault(name, None)
        manager = self.tenant.managers.get(identifier)
        if query.get("$expand") == "manager($select=id)" and manager:
            item["manager"] = {"@odata.type": "#microsoft.graph.user", "id": manager}
        return item

    def _one(self, request: Request) -> dict[str, Any] | Response:
        kind = self._kind(request)
        identifier = request.path_params["id"]
        if kind is None or identifier not in self.tenant.of(kind):
            return _failure(404, "Request_ResourceNotFound", f"Resource '{identifier}' does not exist.")
        if not self._may(kind):
            return _denied()
        query = request.query_params
        return self._item(identifier, self.tenant.of(kind)[identifier], _names(query.get("$select")), query)

    def _members(self, request: Request) -> dict[str, Any] | Response:
        group, which = request.path_params["id"], request.path_params["which"]
        if not self._may("group"):
            return _denied()
        if group not in self.tenant.groups or which not in ("members", "transitiveMembers"):
            return _failure(404, "Request_ResourceNotFound", f"Resource '{group}' does not exist.")
        members = self.tenant.direct(group) if which == "members" else self.tenant.transitive(group)
        if self._is_hidden(group):
            members = []
        items = [{"@odata.type": f"#microsoft.graph.{self.tenant.type_of(member)}", "id": member} for member in members]
        return self._paged(request, items, most=999, count=False)

    def _member_of(self, request: Request) -> dict[str, Any] | Response:
        member, which = request.path_params["id"], request.path_params["which"]
        if self.tenant.type_of(member) is None or which not in ("memberOf", "transitiveMemberOf"):
            return _failure(404, "Request_ResourceNotFound", f"Resource '{member}' does not exist.")
        found = self.tenant.groups_of(member) if which == "memberOf" else self.tenant.groups_above(member)
        items = [{"id": group} for group in found if not self._is_hidden(group)]
        return self._paged(request, items, most=999, count=False)

    def _paged(self, request: Request, items: Sequence[Any], *, most: int, count: bool) -> dict[str, Any]:
        query = dict(request.query_params)
        top = int(query.get("$top", 100))
        if not 1 <= top <= 999:
            raise BadRequest(
                "Request_UnsupportedQuery", f"Invalid page size specified: '{top}'. Must be between 1 and 999."
            )
        start = _opened(query.pop("$skiptoken"))["start"] if "$skiptoken" in query else 0
        end = start + min(top, most, self.page_size)
        answer: dict[str, Any] = {"@odata.count": len(items)} if count and start == 0 else {}
        if end < len(items):
            following = urlencode({**query, "$skiptoken": _sealed(start=end)}, quote_via=quote, safe="$(),'=")
            answer["@odata.nextLink"] = f"{self._base(request)}{request.url.path}?{following}"
        return {**answer, "value": items[start:end]}

    def _is_hidden(self, group: str) -> bool:
        hidden = self.tenant.groups[group].get("visibility") == "HiddenMembership"
        return hidden and "Member.Read.Hidden" not in self.signin.app.roles

    # ---- refusals

    def _kind(self, request: Request) -> Kind | None:
        return KINDS.get(request.path_params.get("kind", "users"))

    def _may(self, kind: Kind) -> bool:
        needed = {"user": {"User.Read.All"}, "group": {"GroupMember.Read.All", "Group.Read.All"}}[kind]
        return not self.signin.app.roles.isdisjoint({*needed, "Directory.Read.All"})

    def _advanced(self, request: Request) -> bool:
        eventual = request.headers.get("consistencylevel", "").lower() == "eventual"
        return eventual and request.query_params.get("$count") == "true"

    def _unauthorized(self) -> Response:
        response = _failure(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
        challenge = 'Bearer realm="", authorization_uri="https://login.example/common/oauth2/authorize"'
        if self.signin.challenge:
            claims = {"access_token": {"nbf": {"essential": True, "value": self.signin.challenge}}}
            encoded = base64.b64encode(json.dumps(claims).encode()).decode()
            challenge += (
                f', client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="{encoded}"'
            )
        response.headers["WWW-Authenticate"] = challenge
        return response

    def _busy(self, how: str) -> Response:
        status, code = (503, "serviceNotAvailable") if how == "busy" else (429, "TooManyRequests")
        response = _failure(status, code, "Too many requests.")
        now = datetime.now(UTC) + timedelta(seconds=self.faults.clock_skew)
        response.headers["Date"] = format_datetime(now, usegmt=True)
        if how == "throttle":
            response.headers["Retry-After"] = "2"
        elif how == "throttle_date":
            response.headers["Retry-After"] = format_datetime(now + timedelta(seconds=3), usegmt=True)
        return response

    def _units(self, request: Request) -> float:
        """The used part of the resource units of ten seconds, including this request."""
        if self.faults.units is None:
            return 0.0
        now = self.now()
        while self._spent and self._spent[0][0] < now - 10:
            self._spent.popleft()
        path = request.url.path.split("/")
        cost = max((units for name, units in UNITS.items() if name in path), default=1)
        cost -= "$select" in request.query_params
        self._spent.append((now, max(cost, 1)))
        return sum(cost for _, cost in self._spent) / self.faults.units

    def _login(self, request: Request) -> str:
        """The sign-in's address in its own documents: MSAL accepts only https."""
        return f"https://{request.url.netloc}"

    def _base(self, request: Request) -> str:
        return f"{request.url.scheme}://{request.url.netloc}"


class _Server(uvicorn.Server):
    """Stops immediately: the original checks ten times a second whether to stop."""

    async def main_loop(self) -> None:
        self._loop, self._left = asyncio.get_running_loop(), asyncio.Event()
        await self._left.wait()

    def leave(self) -> None:
        self.force_exit = True
        self._loop.call_soon_threadsafe(self._left.set)


class Cut(Response):
    """Half of a response. ``pretend``: it claims to be complete; otherwise the connection is closed."""

    def __init__(self, body: bytes | memoryview, *, pretend: bool) -> None:
        super().__init__(bytes(body)[: len(body) // 2], media_type="application/json")
        self._pretend = pretend
        if not pretend:
            self.headers["content-length"] = str(len(body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._pretend:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        raise ConnectionAbortedError


def _failure(status: int, code: str, message: str) -> Response:
    inner = {"date": "2026-01-01T00:00:00", "request-id": "req-1", "client-request-id": "req-1"}
    body = {"error": {"code": code, "message": message, "innerError": inner}}
    return JSONResponse(body, status, headers={"request-id": "req-1"})


def _denied() -> Response:
    return _failure(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _names(text: str | None) -> frozenset[str] | None:
    return frozenset(text.split(",")) if text else None


def _sealed(**state: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(state).encode()).rstrip(b"=").decode()


def _opened(token: str) -> dict[str, Any]:
    try:
        opened: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        raise BadRequest("Directory_ExpiredPageToken", "The specified page token value is invalid.") from None
    return opened


async def _form(request: Request) -> Mapping[str, str]:
    return dict(parse_qsl((await request.body()).decode()))
