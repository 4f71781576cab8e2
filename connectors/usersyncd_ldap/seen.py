"""Remembers the entries of a search, so that a second search can find missed ones."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable

from usersyncd.plugin import Page, Record, Unread

Name = tuple[str, ...]
"""An entry's id and, if members refer to it, its DN as a handle."""


class SeenEntries:
    """Entries by id and DN, with eight bytes of memory each. An entry that moved after it was read is not among them,
    because its DN differs. Unreadable entries are stored by id alone."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, page: Page) -> None:
        self._hashes.extend(hash(_name(item)) for item in page if isinstance(item, Record | Unread))

    def searcher(self) -> Callable[[Name], bool]:
        """A function that returns whether an entry is among these."""
        known = array("q", sorted(self._hashes))

        def has(name: Name) -> bool:
            at = bisect_left(known, hash(name))
            return at < len(known) and known[at] == hash(name)

        return lambda name: has(name) or has(name[:1])


def _name(item: Record | Unread) -> Name:
    return (item.id, *item.handles[:1]) if isinstance(item, Record) else (item.id,)
