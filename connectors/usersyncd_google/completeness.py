"""Checks that listings are complete. Google does not report the size of a listing, so only a second listing can show
that a page of the first one was lost."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from zlib import crc32

from usersyncd.errors import SourceError
from usersyncd_google.api import Api
from usersyncd_google.cursor import BUCKETS
from usersyncd_google.fields import listing
from usersyncd_google.groups import EDGE_FIELDS, Edges, Json, Row, edges

FEW = 50
"""Maximum records that only the second listing has, which are fetched one by one. More mean that pages were lost."""
READINGS = 5
"""Maximum readings of the members of a group."""


class ListedIds:
    """The ids in a listing, with eight bytes of memory per id."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self.counts = [0] * BUCKETS
        """The number of ids in each bucket."""

    def add(self, ids: Iterable[str]) -> None:
        for identifier in ids:
            self._hashes.append(hash(identifier))
            self.counts[crc32(identifier.encode()) % BUCKETS] += 1

    def lacks(self, counts: Sequence[int]) -> bool:
        """Whether an id of an earlier listing with these ``counts`` is missing: deleted, or on a lost page.

        A new id hides a missing one only when both are in the same bucket.
        """
        return any(now < before for now, before in zip(self.counts, counts, strict=True))

    def searcher(self) -> Callable[[str], bool]:
        """A function that returns whether an id was listed."""
        known = array("q", sorted(self._hashes))

        def listed(identifier: str) -> bool:
            at = bisect_left(known, hash(identifier))
            return at < len(known) and known[at] == hash(identifier)

        return listed


async def missed_by_first(ids: AsyncIterator[str], listed: Callable[[str], bool], what: str) -> list[str]:
    """The ids of a second listing that the first one lacks. Raises SourceError when there are more than :data:`FEW`."""
    missed = {identifier async for identifier in ids if not listed(identifier)}
    if len(missed) > FEW:
        raise SourceError(
            f"the listing of {what} is incomplete: a second one has {len(missed):,} {what} that the first one lacks",
            "pages were lost: the next run tries again; if this persists, contact Google's support",
        )
    return sorted(missed)


async def read_edges(api: Api, row: Row) -> Edges:
    """The edges of one group. Raises MissingError when the group does not exist, SourceError when it cannot be read.

    The members are complete when their number is Google's count. Otherwise they are read again until two readings
    agree, or three where members seem to be missing: the count may be outdated, or exclude some types of members.
    """
    readings: list[frozenset[str]] = []
    for _ in range(READINGS):
        found = edges(await _members(api, row))
        if row.count is None or found.entries == row.count:
            return found
        readings.append(found.named)
        needed = 3 if found.entries < row.count else 2
        if len(readings) >= needed and len(set(readings[-needed:])) == 1:
            return found
    raise SourceError(
        f"the members of group {row.address} cannot be read: {READINGS} readings gave {len(set(readings))} results, "
        f"and Google counts {row.count}",
        "its members are changing now, or pages were lost: the next run tries again",
    )


async def _members(api: Api, row: Row) -> list[Json]:
    fields = listing("members", EDGE_FIELDS)
    return [member async for page in api.members(row.record.id, row.address, fields) for member in page]
