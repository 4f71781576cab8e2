"""Reading twice. Google says nowhere how much a listing holds: a page that is passed over on the way leaves no trace
but in a second listing."""

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
"""Records that one listing may lack and the next one show, to be fetched one by one. More: pages were lost."""
READINGS = 5
"""How often the members of a group are read, at the most."""


class Ids:
    """The ids that were listed, eight bytes each."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self.counts = [0] * BUCKETS
        """How many ids fell into each bucket."""

    def add(self, ids: Iterable[str]) -> None:
        for identifier in ids:
            self._hashes.append(hash(identifier))
            self.counts[crc32(identifier.encode()) % BUCKETS] += 1

    def lacks(self, counts: Sequence[int]) -> bool:
        """Whether somebody of those who were counted so is not among these: left, or on a page that was lost.

        Who comes hides who is lost only when both fall into the same bucket.
        """
        return any(now < before for now, before in zip(self.counts, counts, strict=True))

    def searcher(self) -> Callable[[str], bool]:
        """A function that tells whether an id was listed."""
        known = array("q", sorted(self._hashes))

        def listed(identifier: str) -> bool:
            at = bisect_left(known, hash(identifier))
            return at < len(known) and known[at] == hash(identifier)

        return listed


async def found_later(ids: AsyncIterator[str], listed: Callable[[str], bool], what: str) -> list[str]:
    """Which of ``ids``, of a second listing, the first one lacked. Raises SourceError when they are many."""
    missed = {identifier async for identifier in ids if not listed(identifier)}
    if len(missed) > FEW:
        raise SourceError(
            f"the listing of {what} is not whole: a second one has {len(missed):,} {what} that the first one lacks",
            "pages are lost on the way: the next run reads again; if it stays so, tell Google's support",
        )
    return sorted(missed)


async def read_edges(api: Api, row: Row) -> Edges:
    """The edges of one group. Raises MissingError when the group is not there, SourceError when it cannot be read.

    Members that are as many as Google counted are whole. Otherwise they are read again, until two readings agree, or
    three where members seem to be missing: the count may be of another moment, or leave out some sort of member.
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
        "its members are changing now, or pages are lost on the way: the next run reads again",
    )


async def _members(api: Api, row: Row) -> list[Json]:
    fields = listing("members", EDGE_FIELDS)
    return [member async for page in api.members(row.record.id, row.address, fields) for member in page]
