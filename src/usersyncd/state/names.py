"""Who is meant by an id or handle: from names to refs.

For a few names the database is asked; for very many, all names are loaded once, twelve bytes each.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, select

from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.tables import names, records

MANY = 20_000
"""From so many names on, loading them all costs less than asking for each."""
ASKED = 5_000


class Names:
    """The names of one directory. ``expected``: about how many will be looked up."""

    def __init__(self, connection: Connection, directory: int, expected: int) -> None:
        self._connection = connection
        self._directory = directory
        self._numbers: array[int] | None = None
        self._refs: array[int] = array("I")
        if expected >= MANY:
            self._load()

    def refs(self, wanted: Sequence[int]) -> list[tuple[int, int]]:
        """(name, ref) for every name that somebody has; twice for one that two have."""
        if self._numbers is None:
            return [pair for some in batched(wanted, ASKED) for pair in self._ask(some)]
        numbers, refs, end = self._numbers, self._refs, len(self._refs)
        found: list[tuple[int, int]] = []
        for number in wanted:
            place = bisect_left(numbers, number)
            while place < end and numbers[place] == number:
                found.append((number, refs[place]))
                place += 1
        return found

    def _ask(self, wanted: list[int]) -> Iterable[tuple[int, int]]:
        query = select(names.c.name, names.c.ref).where(
            names.c.directory == self._directory, among(self._connection, names.c.name, wanted)
        )
        return [(number, ref) for number, ref in self._connection.execute(query)]

    def _load(self) -> None:
        self._numbers = array("q")
        query = select(names.c.name, names.c.ref).where(names.c.directory == self._directory).order_by(names.c.name)
        for rows in self._connection.execute(query).partitions(10_000):
            self._numbers.extend([number for number, _ in rows])
            self._refs.extend([ref for _, ref in rows])


def one_each(pairs: Iterable[tuple[int, int]], groups: Mapping[int, object]) -> dict[int, int]:
    """The ref that each name means: of a user and a group with one name the user, of two users nobody."""
    meant: dict[int, int] = {}
    doubtful: set[int] = set()
    for number, ref in pairs:
        other = meant.get(number)
        if other is None or (other in groups and ref not in groups):
            meant[number] = ref
        elif (ref in groups) is (other in groups):
            doubtful.add(number)
    for number in doubtful:
        del meant[number]
    return meant


def group_ids(connection: Connection, directory: int) -> dict[int, str]:
    """The groups of a directory that are not gone: ref → id."""
    query = select(records.c.ref, records.c.id).where(
        records.c.directory == directory, records.c.kind == 1, records.c.gone_at.is_(None)
    )
    return {ref: id_ for ref, id_ in connection.execute(query)}  # noqa: C416 - rows, not pairs
