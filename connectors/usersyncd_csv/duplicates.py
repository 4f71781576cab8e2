"""Finds duplicate ids with eight bytes of memory per id."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable


class Duplicates:
    """Stores the hashes of ids. A repeated hash is only a suspicion, because two ids may share a hash."""

    def __init__(self) -> None:
        # Many small parts, so that only one part at a time becomes a set.
        self._parts = [array("q") for _ in range(64)]

    def add(self, identifiers: Iterable[str]) -> None:
        for digest in map(hash, identifiers):
            self._parts[digest & 63].append(digest)

    def suspects(self) -> set[int]:
        """The hashes that occur more than once."""
        found = set[int]()
        for part in self._parts:
            if len(set(part)) != len(part):
                found.update(digest for digest, times in Counter(part).items() if times > 1)
        return found
