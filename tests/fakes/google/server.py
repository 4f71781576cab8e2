"""The server: Admin SDK Directory and Reports, the token endpoint and IAM Credentials, over one :class:`Tenant`.

Follows the documentation of the real one: page sizes, page tokens, partial responses, absent empty collections, error
bodies, quotas, scopes. Every reply is compared with Google's own discovery document; :attr:`Google.unfaithful` must
stay empty.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.fakes.google import errors, judge, listings
from tests.fakes.google.fields import FieldError, parse, pick
from tests.fakes.google.http import HttpServer, Reply, Request
from tests.fakes.google.knobs import Knobs
from tests.fakes.google.listings import Listing, listing
from tests.fakes.google.signing import Accounts
from tests.fakes.google.tenant import Json, Tenant

CALLER = "ya29.workload"
"""The access token of the workload for keyless signing."""

ROUTES: list[tuple[str, str, str, str]] = [
    ("users.list", "/admin/directory/v1/users", "Users", "directory.user"),
    ("users.get", "/admin/directory/v1/users/{user}", "User", "directory.user"),
    ("groups.list", "/admin/directory/v1/groups", "Groups", "directory.group"),
    ("groups.get", "/admin/directory/v1/groups/{group}", "Group", "directory.group"),
    ("members.list", "/admin/directory/v1/groups/{group}/members", "Members", "directory.group"),
    ("members.get", "/admin/directory/v1/groups/{group}/members/{member}", "Member", "directory.group"),
    ("orgunits.get", "/admin/directory/v1/customer/{customer}/orgunits/{unit*}", "OrgUnit", "directory.orgunit"),
    (
        "activities.list",
        "/admin/reports/v1/activity/users/all/applications/{application}",
        "Activities",
        "reports.audit",
    ),
]
"""Method, path, schema of the reply, required scope."""


def _pattern(path: str) -> re.Pattern[str]:
    """``{name}`` is one segment of a path, ``{name*}`` are several."""
    one = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return re.compile(re.sub(r"\{(\w+)\*\}", r"(?P<\1>.+)", one))


_PATHS = [(_pattern(route[1]), route) for route in ROUTES]


class Google:
    """A running fake. ``tenant`` may be changed at any time, also between two requests of one pull."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.accounts = Accounts(tenant)
        self.knobs = Knobs()
        self.api_enabled = True
        self.judged = True
        """Whether replies are compared with the discovery document, which takes longer than creating them."""
        self.calls: Counter[str] = Counter()
        """Requests by method, including refused ones and those of the token endpoint (``token``)."""
        self.unfaithful: list[str] = []
        """Replies that violate the discovery document, and requests that a client must not send."""
        self.forbidden: set[str] = set()
        """Groups whose members may not be read."""
        self.waiting = 0
        """Replies that are currently delayed (:attr:`Knobs.latency`)."""
        self.queries: list[tuple[str, dict[str, str]]] = []
        self.asked: dict[str, tuple[float, float]] = {}
        """Time of the first and last request of each method, in seconds of the monotonic clock."""
        self.meanwhile: Callable[[str], object] = lambda _: None
        """Functions that change the customer before a reply of a method: changes in the middle of a pull."""
        self.spoil: Callable[[str, Reply], Reply] = lambda path, reply: reply
        """Changes replies by path: a test turns them into ones that Google would not send."""
        self._recent: deque[datetime] = deque()
        self._http = HttpServer(self._answer, self.now)

    @property
    def url(self) -> str:
        return self._http.url

    @property
    def token_url(self) -> str:
        return f"{self.url}/token"

    def now(self) -> datetime:
        """Google's time."""
        return self.tenant.now() + self.knobs.skew

    def _sign_in_time(self) -> datetime:
        """Tokens expire by real time, even if a test changes the tenant's time."""
        return datetime.now(UTC) + self.knobs.skew

    def stop(self) -> None:
        self._http.stop()

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The requests made within the block, by method."""
        before, found = Counter(self.calls), Counter[str]()
        yield found
        found.update(self.calls - before)

    async def _answer(self, request: Request) -> Reply:
        try:
            return self.spoil(request.path, await self._reply(request))
        except Exception as error:
            self.unfaithful.append(f"the fake failed: {error!r}")
            raise

    async def _reply(self, request: Request) -> Reply:
        if self.knobs.latency:
            self.waiting += 1
            await asyncio.sleep(self.knobs.latency)
            self.waiting -= 1
        if request.path == "/token":
            self.calls["token"] += 1
            return self._spoilt(self.accounts.token(request, self._sign_in_time()))
        if request.path == "/sts":
            self.calls["sts"] += 1
            return self._spoilt(self.accounts.exchange(request, CALLER))
        if request.path.endswith(":signJwt"):
            self.calls["signJwt"] += 1
            return self._spoilt(self.accounts.sign(request, CALLER))
        try:
            return self._spoilt(self._api(request))
        except errors.Refused as refused:
            return refused.reply

    def _spoilt(self, reply: Reply) -> Reply:
        knobs = self.knobs
        if knobs.html.strikes(knobs.dice):
            return errors.html(502)
        if knobs.html_200.strikes(knobs.dice):
            return errors.html(200)
        if knobs.cut.strikes(knobs.dice):
            reply.cut = knobs.dice.random()
        return reply

    def _api(self, request: Request) -> Reply:
        for pattern, (method, _, schema, scope) in _PATHS:
            if (match := pattern.fullmatch(request.path)) and request.method == "GET":
                self.calls[method] += 1
                self.meanwhile(method)
                self.queries.append((method, dict(request.query)))
                self.asked[method] = self.asked.get(method, (time.monotonic(), 0.0))[0], time.monotonic()
                api = "reports_v1" if schema == "Activities" else "directory_v1"
                self.unfaithful += judge.strange(api, method, request.query)
                self._admit(request, scope)
                if api == "reports_v1" and self.knobs.forbid_logs.strikes(self.knobs.dice):
                    raise errors.forbidden()
                body = self._checked(api, schema, self._method(method, match.groupdict(), request), request)
                return Reply(200, json.dumps(body).encode())
        raise errors.missing(f"{request.method} {request.path}")

    def _admit(self, request: Request, scope: str) -> None:
        """Quota, sign-in, rights. Raises Refused."""
        knobs, now = self.knobs, datetime.now(UTC)
        if knobs.per_minute is not None:
            while self._recent and (now - self._recent[0]).total_seconds() >= 60:
                self._recent.popleft()
            if len(self._recent) >= knobs.per_minute:
                raise errors.throttled(1)
            self._recent.append(now)
        if knobs.throttle.strikes(knobs.dice):
            raise errors.throttled(knobs.throttle.hits)
        if knobs.revoke_token.strikes(knobs.dice):
            self.accounts.tokens.clear()
        subject = self.accounts.subject(request, self._sign_in_time(), scope)
        if not self.api_enabled:
            raise errors.disabled()
        if subject not in self.tenant.admins:
            raise errors.forbidden()

    def _method(self, method: str, path: dict[str, str], request: Request) -> Json:
        tenant, query = self.tenant, dict(request.query)
        if method == "users.get":
            return _with_etag("user", _one(tenant.users, path["user"], "primaryEmail", "userKey"))
        if method == "groups.get":
            return self._group(_one(tenant.groups, path["group"], "email", "groupKey"))
        if method.startswith("members.") and path["group"] in self.forbidden:
            raise errors.forbidden()
        if method == "members.get":
            return listings.member(tenant, path["group"], path["member"])
        if method == "orgunits.get":
            return self._unit(path["unit"])
        found = listing(tenant, method, path, query, self.now())
        return self._page(found, query, self._group if method == "groups.list" else None)

    def _group(self, group: Json) -> Json:
        key = group["id"]
        count = self.tenant.miscounted.get(key, len(self.tenant.members[key]))
        counted = {**group, "directMembersCount": str(count)}
        return _with_etag("group", counted)

    def _unit(self, path: str) -> Json:
        named = "/" + path.strip("/")
        found = next((unit for unit in self.tenant.units if unit.lower() == named.lower()), None)
        if found is None:
            raise errors.missing("Org unit not found")
        parent, _, name = found.rpartition("/")
        unit = {"orgUnitPath": found, "name": name, "parentOrgUnitPath": parent or "/", "orgUnitId": f"id:{found}"}
        return _with_etag("orgUnit", unit)

    def _page(self, found: Listing, query: dict[str, str], finish: Callable[[Json], Json] | None) -> Json:
        """One page after the key in its token; tokens have no state, so changes midway are visible."""
        knobs, limit = self.knobs, found.limit
        size = min(int(query.get("maxResults", found.default)), knobs.page_size or limit)
        if int(query.get("maxResults", found.default)) > limit:
            words = f"Invalid value '{query['maxResults']}'. Values must be within the range: [1, {limit}]"
            raise errors.invalid(words, "invalidParameter")
        after = query.get("pageToken", "")
        if after and (not after.startswith("~") or knobs.expire_page_token.strikes(knobs.dice)):
            raise errors.invalid("Invalid Input: INVALID_PAGE_TOKEN")
        start = bisect_right(found.keys, after[1:])
        page, end = found.keys[start : start + size], start + size
        if page and found.name != "items" and knobs.lose_page.strikes(knobs.dice):
            page, end = (page, end + size) if end < len(found.keys) else ([], end)
        rows = [found.row(key) for key in page]
        body: Json = {"kind": found.kind, "etag": _etag(page)}
        if rows:
            body[found.name] = [finish(row) for row in rows] if finish else rows
        if end < len(found.keys):
            body["nextPageToken"] = f"~{found.keys[end - 1]}"
            if after and knobs.repeat_page.strikes(knobs.dice):
                body["nextPageToken"] = after
        return body

    def _checked(self, api: str, schema: str, body: Json, request: Request) -> Json:
        """The requested fields; violations of the discovery document are noted."""
        if self.judged:
            self.unfaithful += judge.faults(api, schema, body)
        if "fields" not in request.query:
            return body
        try:
            mask = parse(request.query["fields"])
            unknown = judge.has_field(api, schema, mask)
        except FieldError as error:
            unknown = error.args[0]
        if unknown is not None:
            self.unfaithful.append(f"{request.path}: no field {unknown}")
            raise errors.invalid(f"Invalid field selection {unknown}", "invalidParameter")
        found: Json = pick(body, mask)
        return found


def _one(held: dict[str, Json], key: str, address: str, what: str) -> Json:
    """By id, address or alias."""
    found = held.get(key) or next((each for each in held.values() if _has_address(each, address, key)), None)
    if found is None:
        raise errors.missing(what)
    return found


def _has_address(held: Json, address: str, key: str) -> bool:
    addresses = [held[address], *held.get("aliases", ()), *held.get("nonEditableAliases", ())]
    return key.lower() in map(str.lower, addresses)


def _with_etag(kind: str, resource: Json) -> Json:
    return {"kind": f"admin#directory#{kind}", "etag": _etag(resource), **resource}


def _etag(resource: Any) -> str:
    digest = hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()
    return f'"acme/{digest[:27]}"'
