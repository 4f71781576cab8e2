"""Finding an id that a file names twice, in eight bytes an id."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable


class Repeats:
    """Remembers ids by their hash. What it finds is a suspicion only, for two ids may share a hash."""

    def __init__(self) -> None:
        # Many small parts: a set is built of one part at a time, and never of them all.
        self._parts = [array("q") for _ in range(64)]

    def add(self, identifiers: Iterable[str]) -> None:
        for digest in map(hash, identifiers):
            self._parts[digest & 63].append(digest)

    def suspects(self) -> set[int]:
        """The hashes that came more than once."""
        found = set[int]()
        for part in self._parts:
            if len(set(part)) != len(part):
                found.update(digest for digest, times in Counter(part).items() if times > 1)
        return found
