"""The newest changes of a server when it was read. A replica without them still has deleted entries, and lacks new
ones."""

from __future__ import annotations

from msgspec import Struct

Counts = dict[str, str]
"""Server -> its newest change, as text that can be compared."""


class Position(Struct, frozen=True):
    """``url`` and ``identity`` (empty: none) identify the server; ``counts``: its newest changes for each suffix."""

    url: str
    identity: str
    counts: dict[str, Counts]

    def comparable_with(self, other: Position) -> bool:
        """Whether the two can be compared: a domain controller may report its own changes only."""
        if self.identity != other.identity and all(counts.keys() == {self.identity} for counts in self.counts.values()):
            return False
        return bool(self.counts.keys() & other.counts)

    def is_before(self, other: Position) -> bool:
        """Whether this is another server that lacks changes of ``other``.

        The same server may be behind its own earlier position: it was restored, or lost its last count in a crash.
        """
        if (self.url, self.identity) == (other.url, other.identity):
            return False
        return any(_lacks(self.counts[suffix], other.counts[suffix]) for suffix in self.counts.keys() & other.counts)

    def merged_with(self, other: Position | None) -> Position:
        """This position, with the newer changes of ``other``."""
        if other is None:
            return self
        counts = {**other.counts, **self.counts}
        for suffix in self.counts.keys() & other.counts:
            here, there = self.counts[suffix], other.counts[suffix]
            counts[suffix] = {each: max(here.get(each, ""), there.get(each, "")) for each in here.keys() | there}
        return Position(self.url, self.identity, counts)


def _lacks(here: Counts, there: Counts) -> bool:
    return any(here.get(server, "") < count for server, count in there.items())
