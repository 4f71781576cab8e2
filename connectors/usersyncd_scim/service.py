"""The requests to a SCIM service provider (RFC 7644), paced and retried by the patient client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from usersyncd.errors import TargetError
from usersyncd.plugin import Context, Kind, Patience, Secret
from usersyncd_scim.faults import LASTS, refuses_all, said
from usersyncd_scim.paths import Resource
from usersyncd_scim.profile import Profile
from usersyncd_scim.resources import ROUTES

SECONDS = 180.0
"""Seconds that one request may take, with its retries: long enough for a quota of one minute to be free again twice."""
SILENCE = 60.0
"""Seconds without an answer: Okta and Entra allow their providers as much."""
PAGES = 100_000
"""Pages after which a listing counts as endless."""
STALE = 10
"""Pages in a row without anything new, each with another cursor, after which a listing counts as endless."""
KIND_ROUTES = {Kind.USER: "users", Kind.GROUP: "groups"}
CONTENT = {"2.0": "application/scim+json", "1.1": "application/json"}


class ListPage(msgspec.Struct):
    """A page of a listing. ``total``, ``start`` (counts from 1) and ``following``, the next cursor: as the provider
    states them, or None."""

    resources: list[Resource]
    total: int | None
    start: int | None
    following: str | None


class ServiceProvider:
    """Sends requests to one service provider. Every method raises TargetError if the provider as a whole cannot be
    used."""

    def __init__(self, url: str, token: Secret, ca_file: str | None, profile: Profile, context: Context) -> None:
        self.url = url
        self._profile = profile
        content = CONTENT[profile.version]
        self._headers = {
            **profile.headers,
            "Authorization": f"Bearer {context.secret(token)}",
            "Accept": f"{content}, application/json",
            "User-Agent": profile.user_agent,
        }
        self._content = {"Content-Type": content}
        rates = dict(profile.rates.per_minute())
        self._client = context.http(
            Patience(
                concurrency=profile.concurrency,
                per_minute=rates.pop("requests", None),
                routes=rates,
                seconds=SECONDS,
                silence=SILENCE,
            ),
            ca_file=ca_file,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def get(self, kind: Kind, target_id: str, *, members: bool = False) -> Resource | None:
        """A resource by its id; None if there is none."""
        response = await self._ask("GET", self._address(kind, target_id, self._without_members(kind, members=members)))
        if response.status_code == 404:
            return None
        return _resource(self._good(response))

    async def members(self, group: str) -> list[dict[str, Any]] | None:
        """The members of a group, asked for by name (RFC 7644, section 3.9): some providers return them only so. None
        if they are not returned."""
        response = await self._ask("GET", self._address(Kind.GROUP, group, "?attributes=members"))
        found = _resource(self._good(response)).get("members") if response.is_success else None
        return found if isinstance(found, list) else None

    async def search(self, kind: Kind, filter_: str) -> list[Resource]:
        """The resources that the provider returns for a filter. One that ignores filters returns everybody: compare the
        values. A filter that it cannot answer, because nothing has the attribute, finds nothing."""
        query = f"?filter={quote(filter_)}&count={self._profile.page_size}" + self._without_members(kind, "&")
        response = await self._ask("GET", self._address(kind, "", query))
        if response.status_code == 404:
            return []  # Some providers answer so when nothing matches (developer.okta.com/docs/concepts/scim/faqs).
        return _page(self._good(response)).resources

    async def page(self, kind: Kind, query: str, cursor: str | None = None) -> ListPage:
        """One page of a listing, groups with their members. ``cursor``: the empty one asks for the first page."""
        asked = [text for text in (query, None if cursor is None else f"cursor={quote(cursor, safe='')}") if text]
        response = await self._ask("GET", self._address(kind, "", f"?{'&'.join(asked)}" if asked else ""))
        return _page(self._good(response))

    async def pages(self, kind: Kind) -> AsyncIterator[tuple[list[Resource], int | None]]:
        """All pages of a listing, each with the total that the provider states. Totals may be wrong: a listing ends
        with a page that has nothing new."""
        known: set[str] = set()
        cursors: set[str] = set()
        cursor: str | None = "" if self._profile.paging == "cursor" else None
        stale = 0
        for _ in range(PAGES):
            position = f"startIndex={len(known) + 1}" if cursor is None else f"cursor={quote(cursor, safe='')}"
            query = f"?{position}&count={self._profile.page_size}{self._without_members(kind, '&')}"
            if self._profile.paging == "none":
                query = self._without_members(kind)
            response = await self._ask("GET", self._address(kind, "", query))
            page = _page(self._good(response))
            new = {one["id"]: one for one in page.resources if one["id"] not in known}
            known.update(new)
            stale = 0 if new else stale + 1
            if new:
                yield list(new.values()), page.total
            if page.following is not None:
                if page.following in cursors or stale >= STALE:
                    break
                cursors.add(page.following)
                cursor = page.following
            elif cursor is not None or self._profile.paging == "none" or not new:
                return
        raise TargetError(f"the listing of {ROUTES[kind]} of {self.url} has no end", LASTS)

    async def probe(self) -> None:
        """Ask for one user, to test address and token. Raises TargetError."""
        self._good(await self._ask("GET", self._address(Kind.USER, "", "?count=1")))

    async def described(self) -> Mapping[str, Any]:
        """The provider's ServiceProviderConfig (RFC 7643, section 5); empty if it has none."""
        if self._profile.discovery == "none":
            return {}
        response = await self._ask("GET", f"{self.url}/{self._profile.discovery}")
        try:
            found = msgspec.json.decode(response.content) if response.is_success else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = {}
        return found if isinstance(found, dict) else {}

    async def create(self, kind: Kind, resource: Resource) -> httpx.Response:
        """POST a resource, once: whatever went wrong after it was sent is returned or raised."""
        routes = ("writes", KIND_ROUTES[kind], *(("creates",) if kind is Kind.USER else ()))
        return await self._ask("POST", self._address(kind), resource, {"repeatable": False, "routes": routes})

    async def replace(self, kind: Kind, target_id: str, resource: Resource) -> httpx.Response:
        """PUT a whole resource."""
        return await self._write("PUT", kind, target_id, {**resource, "id": target_id})

    async def patch(self, kind: Kind, target_id: str, operations: list[dict[str, Any]]) -> httpx.Response:
        """PATCH a resource."""
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}
        return await self._write("PATCH", kind, target_id, body)

    async def delete(self, kind: Kind, target_id: str) -> httpx.Response:
        """DELETE a resource."""
        return await self._write("DELETE", kind, target_id, None)

    async def _write(self, method: str, kind: Kind, target_id: str, body: Resource | None) -> httpx.Response:
        # Each of these may be sent twice: the second one writes what is there already.
        extensions = {"repeatable": True, "routes": ("writes", KIND_ROUTES[kind])}
        return await self._ask(method, self._address(kind, target_id), body, extensions)

    async def _ask(
        self, method: str, url: str, body: Resource | None = None, extensions: dict[str, Any] | None = None
    ) -> httpx.Response:
        response = await self._client.request(
            method,
            url,
            content=None if body is None else msgspec.json.encode(body),
            headers=self._headers if body is None else self._headers | self._content,
            extensions=extensions or {"routes": ("reads",)},
        )
        if (error := refuses_all(response, self.url)) is not None:
            raise error
        return response

    def _address(self, kind: Kind, target_id: str = "", query: str = "") -> str:
        path = f"{self.url}/{ROUTES[kind]}"
        return (f"{path}/{quote(target_id, safe='')}" if target_id else path) + query

    def _without_members(self, kind: Kind, first: str = "?", *, members: bool = False) -> str:
        """A group with 50,000 members is not read to find its name."""
        readable = kind is Kind.GROUP and self._profile.members_readable
        return f"{first}excludedAttributes=members" if readable and not members else ""

    def _good(self, response: httpx.Response) -> Any:
        """The body of a successful answer. Raises TargetError for any other."""
        place = f"{response.request.method} {response.request.url.netloc.decode()}{response.request.url.path}"
        if not response.is_success:
            remedy = {
                403: "give the token the right to read users and groups",
                404: "correct `url`: below it there must be /Users and /Groups",
            }.get(response.status_code, "check the profile of the target, and what the provider's documentation says")
            raise TargetError(f"{place} was answered with {said(response)}", remedy)
        try:
            return msgspec.json.decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        try:
            return json.loads(response.content)  # It takes lone surrogates, which msgspec refuses.
        except ValueError:
            raise TargetError(f"{place} was answered with something that is not JSON", "correct `url`") from None


def equals(path: str, value: str) -> str:
    """The filter for one value (RFC 7644, section 3.4.2.2)."""
    return f"{path} eq {json.dumps(value, ensure_ascii=False)}"


def _page(body: Any) -> ListPage:
    """Raises TargetError for anything but a ListResponse (RFC 7644, section 3.4.2)."""
    if not isinstance(body, dict):
        raise TargetError("the provider answered a search with something that is not a ListResponse", "correct `url`")
    fields = {name.lower(): value for name, value in body.items()}
    found = fields.get("resources") or []
    if not isinstance(found, list):
        raise TargetError("the provider answered a search with something that is not a ListResponse", "correct `url`")
    following = fields.get("nextcursor")
    return ListPage(
        [_resource(one) for one in found],
        _number(fields.get("totalresults")),
        _number(fields.get("startindex")),
        following if isinstance(following, str) and following else None,
    )


def _number(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _resource(body: Any) -> Resource:
    if not isinstance(body, dict) or not isinstance(body.get("id"), str | int) or body["id"] == "":
        raise TargetError("the provider returned a resource without an id", LASTS)
    return {**body, "id": str(body["id"])}
