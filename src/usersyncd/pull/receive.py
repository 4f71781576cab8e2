"""Receives the pages of a source, and checks that they follow the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from usersyncd.blocking import to_its_end
from usersyncd.core.items import Item
from usersyncd.core.storable_text import escaped, is_keepable
from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Gone, Kind, Members, Page, Patch, Present, Record, Unread
from usersyncd.state.spool import ILLEGIBLE, Spool

LONGEST = 600
"""The longest id, in characters: an index entry of PostgreSQL takes at most 2,700 bytes."""

BATCH = 2_000
"""How many items and members are written to the spool together."""


async def receive(pages: AsyncIterator[Page | Done], spool: Spool, tick: Callable[[int], None]) -> Done:
    """Spool the pages of a pull and return its ``Done``. ``tick`` receives the number of items of each page.

    Raises SourceError if the source stops before ``Done`` or breaks the contract: the pull is discarded then.
    """
    done: Done | None = None
    unidentified = False
    batch = _Batch(spool)
    async with aclosing(cast("Any", pages)) as received:
        async for page in received:
            if done is not None:
                raise _broken("sent a page after `Done`")
            if isinstance(page, Done):
                done = page
            else:
                _check(page)
                if not _is_text("".join(_ids(page))):
                    page, unidentified = list(_with_storable_ids(page)), True
                await batch.add(page)
                tick(len(page))
    await batch.write()
    if done is None:
        raise SourceError(
            "the source stopped before `Done`: the pull is incomplete and was discarded",
            "run it again; if the error remains, the connector has a fault",
        )
    if done.cursor is not None and not _is_text(done.cursor):
        raise _broken(f"gave a cursor that is not text: {done.cursor!r}")
    if spool.doubtful or unidentified:
        # An item is about a record that cannot be identified. Any record that was not listed may be that one, so none
        # counts as deleted, and the next pull is complete.
        return Done(cursor=None, complete=False)
    return done


class _Batch:
    """Collects pages before they are written to the spool: a thread switch, a connection to the state database and a
    query cost more than the content of a small page. Looking up 50,000 known records takes 0.22 s of CPU in batches of
    2,000, and 0.51 s in pages of 200."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._items: list[Item | Members] = []
        self._weight = 0

    async def add(self, page: Page) -> None:
        self._items += page
        self._weight += len(page) + sum(
            len(item.added) + len(item.removed) for item in page if isinstance(item, Members)
        )
        if self._weight >= BATCH:
            await self.write()

    async def write(self) -> None:
        await to_its_end(partial(self._spool.add, self._items))
        self._items, self._weight = [], 0


def _check(page: Page) -> None:
    """Raise SourceError if a page breaks the contract."""
    if not isinstance(page, list | tuple):
        raise _broken(f"gave something that is not a page: {type(page).__name__}")
    # The items of a page are checked together, and one by one only to find the item that breaks the contract.
    if not _is_sound(page):
        for item in page:
            _check_item(item)


def _is_sound(page: Page) -> bool:
    """Whether a page follows the contract. False for some pages that do, such as one with subclasses of the items."""
    groups = [item for item in page if item.__class__ is Members]
    records = [item for item in page if item.__class__ in _ITEMS]
    if len(groups) + len(records) < len(page):
        return False
    ids = _ids(page)
    bodies = [item for item in records if item.__class__ in _ATTRIBUTED]
    return (
        _all_text(ids)
        and all(ids)
        and max(map(len, ids), default=0) <= LONGEST
        and _types([item.kind for item in records]) <= {Kind}
        and _types([item.attributes for item in bodies]) <= {dict}
        # Records have the same few names, so a set of them is built faster than the type of each is found.
        and _all_text(set[object]().union(*[item.attributes for item in bodies]))
        and all(_all_text(item.handles) for item in bodies if item.handles)
        and all(_all_text(item.added) and _all_text(item.removed) for item in groups)
    )


def _check_item(item: object) -> None:
    if isinstance(item, Members):
        if not _is_id(item.group) or not _all_text(item.added) or not _all_text(item.removed):
            raise _broken(f"gave members that are not text, or a group without an id: {item.group!r:.{LONGEST}}")
    elif not isinstance(item, _ITEMS):
        raise _broken(f"gave something that is neither a record nor a membership: {type(item).__name__}")
    elif not isinstance(item.kind, Kind) or not _is_id(item.id):
        raise _broken(f"gave a record without a kind or a usable id: {item.kind!r} {item.id!r:.{LONGEST}}")
    elif isinstance(item, _ATTRIBUTED) and not (
        isinstance(item.attributes, dict)
        and _all_text(item.attributes)
        and (not item.handles or _all_text(item.handles))
    ):
        raise _broken(f"gave {item.kind} {item.id} attributes without names, or handles that are not text")


_ITEMS, _ATTRIBUTED = (Record, Patch, Present, Unread, Gone), (Record, Patch)


def _is_id(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= LONGEST


def _ids(items: Iterable[Item | Members]) -> list[str]:
    return [item.group if isinstance(item, Members) else item.id for item in items]


def _with_storable_ids(page: Page) -> Iterator[Item | Members]:
    """The page without members of groups whose id cannot be stored. A record with such an id becomes ``Unread``."""
    for item in page:
        if _is_text(*_ids([item])):
            yield item
        elif not isinstance(item, Members):
            yield Unread(item.kind, escaped(item.id)[:LONGEST], ILLEGIBLE.format("id"))


def _is_text(text: object) -> bool:
    return isinstance(text, str) and is_keepable(text)


def _all_text(items: Iterable[object]) -> bool:
    return _types(items) <= {str}


def _types(items: Iterable[object]) -> set[type]:
    return set(map(type, items))


def _broken(what: str) -> SourceError:
    return SourceError(f"the connector {what}", "this is a fault of the connector: report it to its author")
