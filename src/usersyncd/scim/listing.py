"""Answers a listing from a store: by index where one conjunct of the filter allows it, otherwise by a scan.

Memory stays flat: a scan keeps one page, and a sorted listing the sort values and ids. A page of groups with their
members ends early once it has many of them; the provider asks for the next one from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct
from scim2_models import ExpiredCursorException, InvalidCountException, InvalidCursorException
from scim2_models.path import FilterNode

from usersyncd.plugin import Kind
from usersyncd.scim.answers import list_of, rendered
from usersyncd.scim.errors import ScimError, invalid_filter
from usersyncd.scim.filter import Test, indexed, names_in, resource_test, seeks
from usersyncd.scim.query import ListQuery
from usersyncd.scim.store import ResourceStore, StoredResource

MEMBERS_ON_A_PAGE = 20_000
"""A page of groups ends with the group that reaches this number of members."""


class Cursors(Protocol):
    """Turns positions into opaque texts and back: scim2-server's ``Cursors``."""

    def seal(self, query: str, count: int | None, position: Any) -> str: ...

    def open(self, cursor: str, query: str, count: int | None, timeout: int | None) -> Any: ...


CURSOR_SECONDS = 3600
"""How long a cursor continues a listing."""
BATCH = 500
"""How many resources are read at once when a listing by cursor looks for matches."""


class Listing:
    """The listings of one directory. ``base``: the URL of its SCIM service. ``name`` tells its cursors from others."""

    def __init__(self, store: ResourceStore, name: str, base: str, cursors: Cursors) -> None:
        self._store = store
        self._name = name
        self._base = base
        self._cursors = cursors

    async def answer(self, *queries: ListQuery) -> dict[str, Any]:
        """A ListResponse. Several queries, one for each kind of resource, differ in nothing else, and what they find is
        one list (RFC 7644, section 3.4.2.1). Raises ScimError."""
        if queries[0].cursor is not None:
            return await self._after_cursor(queries)
        found = await self._find(queries, queries[0].start - 1)
        resources = await self._complete(queries, found.page)
        return list_of(resources, total=found.total, start=queries[0].start)

    async def _find(self, queries: Sequence[ListQuery], offset: int) -> _Found:
        """The page after the first ``offset`` matches."""
        if queries[0].sort is not None:
            return await self._sorted(queries, offset)
        total, page = 0, list[StoredResource]()
        for query in queries:
            found = await self._of_kind(query, max(0, offset - total), query.count - len(page))
            total += found.total
            page += found.page
        return _Found(total, page)

    async def _of_kind(self, query: ListQuery, offset: int, count: int) -> _Found:
        if query.filter is None:
            total = await self._store.count(query.kind)
            wanted = count and offset < total
            page = await self._store.page(query.kind, offset=offset, count=count, members=False) if wanted else ()
            return _Found(total, page)
        total, page = 0, []
        async for batch in self._matches(query.kind, query.filter):
            first = max(0, offset - total)
            page += batch[first : first + count - len(page)]
            total += len(batch)
        return _Found(total, page)

    async def _matches(self, kind: Kind, node: FilterNode) -> AsyncIterator[Sequence[StoredResource]]:
        """What matches, in batches, in the order of the store."""
        test, members = self._test(kind, node)
        index = indexed(kind, node)
        if index is None:
            async for batch in self._store.scan(kind, members=members):
                yield await asyncio.to_thread(self._tested, test, batch)
        elif index[0] == "id":
            found = await self._store.get(kind, index[1], members=members, groups=False)
            yield self._tested(test, [found] if found else [])
        else:
            yield self._tested(test, await self._store.lookup(kind, *index, members=members))

    def _test(self, kind: Kind, node: FilterNode) -> tuple[Test, bool]:
        """The function that the filter means, and whether it reads members."""
        names = names_in(node)
        if kind == Kind.USER and "groups" in names:
            raise invalid_filter("users cannot be filtered by groups", "read the group's members")
        return resource_test(kind, node), kind == Kind.GROUP and "members" in names

    def _tested(self, test: Test, batch: Sequence[StoredResource]) -> list[StoredResource]:
        return [msgspec.structs.replace(each, members=None) for each in batch if test(rendered(each, self._base))]

    async def _sorted(self, queries: Sequence[ListQuery], offset: int) -> _Found:
        keys = []
        for query in queries:
            assert query.sort is not None  # noqa: S101 - one is sorted if the others are
            async for batch in self._all(query.kind, query.filter):
                keys += [(query.sort(rendered(each, self._base)), query.kind, each.id) for each in batch]
        keys.sort(key=lambda found: found[0], reverse=queries[0].descending)
        page = keys[offset : offset + queries[0].count]
        found = [
            await self._store.get(kind, resource_id, members=False, groups=False, listed=True)
            for _, kind, resource_id in page
        ]
        return _Found(len(keys), [each for each in found if each is not None])

    def _all(self, kind: Kind, node: FilterNode | None) -> AsyncIterator[Sequence[StoredResource]]:
        return self._store.scan(kind, members=False) if node is None else self._matches(kind, node)

    async def _after_cursor(self, queries: Sequence[ListQuery]) -> dict[str, Any]:
        """RFC 9865. The position is the id of the last resource; of a listing that is sorted, answered from an index,
        or of several kinds, it is the number of resources before."""
        query = queries[0]
        meaning = "\n".join((self._name, *(each.meaning for each in queries)))
        position = self._position(query, meaning)
        if len(queries) > 1 or query.sort or (query.filter and indexed(query.kind, query.filter)):
            offset = position or 0
            found = await self._find(queries, offset)
            resources = await self._complete(queries, found.page)
            end = offset + len(resources)
            following = end if resources and end < found.total else None
        else:
            page, more = await self._following(query, position)
            resources = await self._complete(queries, page)
            following = resources[-1]["id"] if resources and (more or len(resources) < len(page)) else None
        cursor = None if following is None else self._cursors.seal(meaning, query.count, following)
        total = None if query.filter else sum([await self._store.count(each.kind) for each in queries])
        return list_of(resources, total=total, next_cursor=cursor)

    def _position(self, query: ListQuery, meaning: str) -> Any:
        if not query.cursor:
            return None
        try:
            return self._cursors.open(query.cursor, meaning, query.count, CURSOR_SECONDS)
        except ExpiredCursorException:
            raise ScimError(
                400, "the cursor has expired", "begin the listing again", scim_type="expiredCursor"
            ) from None
        except InvalidCountException:
            raise ScimError(400, "count differs from that of the first page", scim_type="invalidCount") from None
        except InvalidCursorException:
            raise ScimError(
                400, "the cursor is not one of this listing", "begin the listing again", scim_type="invalidCursor"
            ) from None

    async def _following(self, query: ListQuery, after: str | None) -> tuple[Sequence[StoredResource], bool]:
        """At most ``count`` matches after a position, and whether there may be more."""
        if not query.count:
            return (), False
        if query.filter is None:
            found = await self._store.after(query.kind, after, query.count + 1, members=False)
            return found[: query.count], len(found) > query.count
        test, members = self._test(query.kind, query.filter)
        page: list[StoredResource] = []
        while batch := await self._store.after(query.kind, after, BATCH, members=members):
            page += self._tested(test, batch)
            if len(page) > query.count:
                return page[: query.count], True
            after = batch[-1].id
        return page, False

    async def _complete(self, queries: Sequence[ListQuery], page: Sequence[StoredResource]) -> list[dict[str, Any]]:
        """The resources with their members or groups, if the answer shows them."""
        await self._note(queries, page)
        projections = {query.kind: query.projection for query in queries}
        users = [each.id for each in page if each.kind is Kind.USER and projections[Kind.USER].shows("groups")]
        groups = await self._store.groups_of(users) if users else {}
        answer: list[dict[str, Any]] = []
        members = 0
        for each in page:
            whole: StoredResource | None = each
            if each.kind is Kind.USER:
                whole = msgspec.structs.replace(each, groups=groups.get(each.id))
            elif projections[each.kind].shows("members"):
                whole = await self._store.get(each.kind, each.id, members=True, groups=False, listed=True)
            if whole is None:
                continue  # It was deleted meanwhile.
            answer.append(projections[each.kind].of(rendered(whole, self._base)))
            members += len(whole.members or ())
            if members >= MEMBERS_ON_A_PAGE:
                break
        return answer

    async def _note(self, queries: Sequence[ListQuery], page: Sequence[StoredResource]) -> None:
        """Tell the store what the provider looked for and found. It knows what an index found."""
        for query in queries:
            if query.filter is not None and indexed(query.kind, query.filter) is None and seeks(query.filter):
                await self._store.found(query.kind, [each.id for each in page if each.kind is query.kind])


class _Found(Struct):
    total: int
    page: Sequence[StoredResource]
