"""Lists a service provider completely, or not at all.

A resource that a listing leaves out counts as deleted, so nothing is believed that cannot be checked: the stated total,
the place of a page, and that nothing moved from one page to another while they were read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind
from usersyncd_scim.paths import Resource
from usersyncd_scim.profile import Profile
from usersyncd_scim.resources import ROUTES
from usersyncd_scim.service import ListPage, ServiceProvider

MOVED = "the next pull lists them again; if it stays so, the listing of this provider cannot be relied on"
COUNTS = "ask the operator of the service provider why its listing and its totalResults differ"


class CompleteListing:
    """The listing of all resources of one kind. It raises SourceError unless it is complete."""

    def __init__(self, service: ServiceProvider, profile: Profile, kind: Kind) -> None:
        self._service = service
        self._profile = profile
        self._kind = kind
        self._known: set[str] = set()
        self._total: int | None = None

    async def pages(self) -> AsyncIterator[list[Resource]]:
        """The pages, by what the profile says of listings. Groups come with their members."""
        if self._profile.paging == "cursor":
            pages = self._by_cursor()
        elif self._profile.paging == "index":
            pages = self._by_index()
        else:
            pages = self._at_once()
        async for page in pages:
            yield page
        if self._total is not None and self._total != len(self._known):
            raise self._void(f"it has {len(self._known)} of them, and totalResults says {self._total}", COUNTS)

    async def _at_once(self) -> AsyncIterator[list[Resource]]:
        page = await self._service.page(self._kind, "")
        self._check_total(page)
        yield self._new(page.resources)

    async def _by_index(self) -> AsyncIterator[list[Resource]]:
        """Each page begins with the last resource of the page before: if it is another one, something was deleted or
        moved, and the page after it may lack a resource (RFC 7644, section 3.4.2.4, promises no stable pages)."""
        last: str | None = None
        size = max(2, self._profile.page_size)
        while True:
            start = max(1, len(self._known))
            page = await self._service.page(self._kind, f"startIndex={start}&count={size}")
            self._check_total(page)
            if self._total is None:
                raise self._void("it has no totalResults", COUNTS)
            if page.start not in (None, start):
                raise self._void(f"it begins at {page.start} where {start} was asked for", COUNTS)
            found = page.resources
            if last is not None:
                if not found or found[0]["id"] != last:
                    raise self._void("the order of its pages changed while they were read", MOVED)
                found = found[1:]
            if not found and len(self._known) < self._total:
                raise self._void(f"it ends after {len(self._known)}, and totalResults says {self._total}", COUNTS)
            yield self._new(found)
            if len(self._known) >= self._total:
                return
            last = found[-1]["id"]

    async def _by_cursor(self) -> AsyncIterator[list[Resource]]:
        """RFC 9865, section 2: the page without a nextCursor is the last one; totalResults may be missing."""
        cursor, cursors = "", {""}
        while True:
            page = await self._service.page(self._kind, f"count={self._profile.page_size}", cursor)
            self._check_total(page)
            yield self._new(page.resources)
            if page.following is None:
                return
            cursor = page.following
            if cursor in cursors:
                raise self._void("it has no end: a cursor came twice", COUNTS)
            cursors.add(cursor)

    def _check_total(self, page: ListPage) -> None:
        if self._total is not None and page.total is not None and page.total != self._total:
            raise self._void(f"totalResults changed from {self._total} to {page.total} while it was read", MOVED)
        self._total = page.total if self._total is None else self._total

    def _new(self, resources: list[Resource]) -> list[Resource]:
        for resource in resources:
            if resource["id"] in self._known:
                raise self._void(f"it has {resource['id']} twice", MOVED)
            self._known.add(resource["id"])
        return resources

    def _void(self, why: str, remedy: str) -> SourceError:
        return SourceError(f"the listing of {ROUTES[self._kind]} of {self._service.url} is not complete: {why}", remedy)
