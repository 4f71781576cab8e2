"""How far a server was when it was read. A replica that is not that far still has who left, and has not who came."""

from __future__ import annotations

from msgspec import Struct

Counts = dict[str, str]
"""The newest change of each server that makes changes, as texts that can be compared."""


class Position(Struct, frozen=True):
    """``url`` and ``identity`` (empty: it has none) say which server, ``counts`` how far it was, for each suffix."""

    url: str
    identity: str
    counts: dict[str, Counts]

    def can_tell(self, other: Position) -> bool:
        """Whether it says anything of what that one had: a domain controller may tell of its own changes only."""
        if self.identity != other.identity and all(counts.keys() == {self.identity} for counts in self.counts.values()):
            return False
        return bool(self.counts.keys() & other.counts)

    def is_before(self, other: Position) -> bool:
        """Whether this is another server that lacks something which that one had.

        The same server that is behind itself was restored, or forgot in a crash what it had counted last.
        """
        if (self.url, self.identity) == (other.url, other.identity):
            return False
        return any(_lacks(self.counts[suffix], other.counts[suffix]) for suffix in self.counts.keys() & other.counts)

    def onto(self, other: Position | None) -> Position:
        """This one, with what was newer in the other."""
        if other is None:
            return self
        counts = {**other.counts, **self.counts}
        for suffix in self.counts.keys() & other.counts:
            here, there = self.counts[suffix], other.counts[suffix]
            counts[suffix] = {each: max(here.get(each, ""), there.get(each, "")) for each in here.keys() | there}
        return Position(self.url, self.identity, counts)


def _lacks(here: Counts, there: Counts) -> bool:
    return any(here.get(server, "") < count for server, count in there.items())
