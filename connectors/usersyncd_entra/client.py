"""The protocol of Microsoft Graph: pages, links, expiring tokens, errors."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Generic
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct, field

from usersyncd.errors import SourceError
from usersyncd.plugin import Patience, http_date
from usersyncd_entra.faults import CursorExpired, error_of, is_expired, request_error
from usersyncd_entra.links import is_within, place
from usersyncd_entra.objects import Item, Object, converted
from usersyncd_entra.options import EntraOptions
from usersyncd_entra.signin import SignIn

CONCURRENCY = 8
"""Maximum concurrent independent requests."""
LARGEST = 999
"""Maximum objects in a page of a plain list (learn.microsoft.com/graph/paging)."""
CIRCLES = 3
"""Maximum requests for the same page, before the round counts as endless."""
IDLE = 200
"""Maximum consecutive pages without new objects, before the round counts as endless (microsoft-graph-docs, issue
4263)."""
PAGES = 100_000
"""Maximum pages of a round: 20 million objects in pages of 200."""

ADVANCED = {"ConsistencyLevel": "eventual"}
"""The header of advanced queries (learn.microsoft.com/graph/aad-advanced-queries); every page needs it."""


class Page(Struct, Generic[Item]):
    """One page of objects, with at most one of the links."""

    value: list[Item]
    next_link: str | None = field(name="@odata.nextLink", default=None)
    delta_link: str | None = field(name="@odata.deltaLink", default=None)
    count: int | None = field(name="@odata.count", default=None)


def patience(options: EntraOptions) -> Patience:
    """The pacing of requests: by Graph's throttling, and by the used part of the quota that it reports."""
    return Patience(load=_load, concurrency=CONCURRENCY, seconds=float(options.patience))


def _load(response: httpx.Response) -> float | None:
    """The used part of the resource units, which Graph reports from 0.8 on
    (learn.microsoft.com/graph/throttling-limits)."""
    try:
        return float(response.headers["x-ms-throttle-limit-percentage"])
    except (KeyError, ValueError):
        return None


class Graph:
    """Sends requests to Graph as the signed-in application."""

    def __init__(self, options: EntraOptions, client: httpx.AsyncClient, signin: SignIn) -> None:
        self.signin = signin
        self._date = ""
        self._options = options
        self._client = client
        self._base = f"{options.graph}/v1.0/"
        self._decoders: dict[type, msgspec.json.Decoder[Page[Any]]] = {}

    @property
    def time(self) -> datetime:
        """The time of Graph's last response, by its own clock if it sends one (RFC 9110, section 6.6.1)."""
        return http_date(self._date) or datetime.now(UTC)

    def address(self, path: str, **query: str | int | None) -> str:
        """The URL of a path, with query options: ``select`` is $select."""
        options = "&".join(
            f"${name}={quote(str(value), safe=_SAFE)}" for name, value in query.items() if value is not None
        )
        return f"{self._base}{quote(path)}{'?' if options else ''}{options}"

    async def pages(
        self, link: str, of: type[Item], headers: Mapping[str, str] | None = None, *, from_cursor: bool = False
    ) -> AsyncGenerator[Page[Item], None]:
        """All pages from ``link`` on; the next one is fetched while one is read. Raises SourceError when they do not
        end correctly, and CursorExpired when ``link`` is a delta link that has expired."""
        asked = Counter[str]()
        idle, before = 0, 0
        coming = asyncio.create_task(self._page(link, of, headers, from_cursor))
        try:
            while True:
                page, mark = await coming
                following = page.next_link
                if following is not None:
                    asked[following] += 1
                    idle = idle + 1 if mark == before or not page.value else 0
                    before = mark
                    if asked[following] > CIRCLES or idle > IDLE or len(asked) > PAGES:
                        raise SourceError(
                            f"{place(link)} has no end: {sum(asked.values())} pages so far",
                            "this is a fault of Microsoft Graph: the next run tries again",
                        )
                    coming = asyncio.create_task(self._page(following, of, headers, False))
                yield page
                if following is None:
                    return
        finally:
            coming.cancel()
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()  # Otherwise asyncio warns that the exception was never retrieved.

    async def round(
        self, link: str, of: type[Item], headers: Mapping[str, str] | None = None, *, from_cursor: bool = False
    ) -> AsyncGenerator[Page[Item], None]:
        """All pages of one round of a delta query. The last one has the link to the next round."""
        last = None
        async with aclosing(self.pages(link, of, headers, from_cursor=from_cursor)) as pages:
            async for page in pages:
                last = page.delta_link
                yield page
        if last is None:
            raise SourceError(
                f"{place(link)} ended without the link to the next round: it is incomplete",
                "Microsoft Graph does not document such a response: the next run tries again",
            )
        self._must_be_ours(last)

    async def object(self, link: str) -> Object:
        """One object. Raises NotFound."""
        response = await self.get(link)
        try:
            found = json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise self._nonsense(response, str(error)) from None
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise self._nonsense(response, "it has no id")
        return found

    async def count(self, path: str) -> int:
        """The number of objects. Not by ``/$count``: a truncated number is still a number."""
        page, _ = await self._page(self.address(path, select="id", count="true", top=1), Object, ADVANCED, False)
        if page.count is None:
            raise SourceError(
                f"{self._options.graph} does not count its {path}", "check the options cloud and endpoints"
            )
        return page.count

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, from_cursor: bool = False
    ) -> httpx.Response:
        """A successful response. Raises SourceError for any other."""
        self._must_be_ours(url)
        token = await self.signin.token()
        response = await self._ask(url, token, headers)
        if response.status_code == 401:
            # It expired early, was revoked, or Graph requires a new one (continuous access evaluation).
            token = await self.signin.renewed(token, _challenge(response))
            response = await self._ask(url, token, headers)
        self._date = response.headers.get("date", "")
        if response.is_success:
            return response
        if from_cursor and is_expired(response):
            raise CursorExpired(": ".join(filter(None, error_of(response))))
        raise request_error(response, self._options.client_id)

    async def _ask(self, url: str, token: str, headers: Mapping[str, str] | None) -> httpx.Response:
        own = {
            "Authorization": f"Bearer {token}",
            "client-request-id": str(uuid.uuid4()),
            # Interactive users share the tenant's quota.
            "x-ms-throttle-priority": "Low",
        }
        return await self._client.get(url, headers={**own, **(headers or {})})

    async def _page(
        self, link: str, of: type[Item], headers: Mapping[str, str] | None, from_cursor: bool
    ) -> tuple[Page[Item], int]:
        """A page, and a hash of its content without the link to the next one."""
        if of not in self._decoders:
            self._decoders[of] = msgspec.json.Decoder(Page[of])  # type: ignore[valid-type]
        response = await self.get(link, headers, from_cursor=from_cursor)
        page = self._decoded(response, of)
        return page, hash(response.content.replace((page.next_link or "").encode(), b"", 1))

    def _decoded(self, response: httpx.Response, of: type[Item]) -> Page[Item]:
        try:
            return self._decoders[of].decode(response.content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = str(error)
        try:
            # JSON may have a lone surrogate (RFC 8259, section 8.2), as in truncated text; msgspec rejects it. And one
            # malformed object must not fail the others of its page.
            page = msgspec.convert(json.loads(response.content), Page[Any])
            page.value = [converted(item, of) for item in page.value]
        except (ValueError, RecursionError):
            raise self._nonsense(response, why) from None
        return page

    def _must_be_ours(self, url: str) -> None:
        """Refuse a link to another host: the token would be sent there."""
        if not is_within(url, self._base):
            raise SourceError(
                f"{self._options.graph} sent a link to another host, or an invalid one: {place(url)}",
                "check the options cloud and endpoints, and that no proxy changes Graph's responses",
            )

    def _nonsense(self, response: httpx.Response, why: str) -> SourceError:
        return SourceError(
            f"{place(str(response.request.url))} answered with something that is not what was requested: {why}",
            "Microsoft Graph does not document such a response: the next run tries again",
        )


async def for_each(items: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Run ``work`` for each item, several concurrently. The first error ends all."""
    todo = iter(items)

    async def worker() -> None:
        for item in todo:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CONCURRENCY):
                tasks.create_task(worker())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


_SAFE = "$(),'/:"


def _challenge(response: httpx.Response) -> str | None:
    """The claims that the request for a new token must contain (learn.microsoft.com/entra/identity-platform/
    claims-challenge)."""
    match = re.search(r'claims="([^"]+)"', response.headers.get("www-authenticate", ""))
    if match is None:
        return None
    try:
        return base64.b64decode(match[1], validate=True).decode()
    except ValueError:
        return match[1]
