"""Who is meant by an id or handle: from names to refs.

For a few names the database is asked; for very many, all names are loaded once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from usersyncd.plugin import Kind
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.spool import NUMBER
from usersyncd.state.tables import names, records

MANY = 20_000
"""From so many names on, loading them all costs less than asking for each."""
ASKED = 5_000


class Names:
    """The names of one directory. ``groups`` are the refs of its groups; ``expected``: about how many names will be
    looked up."""

    def __init__(self, connection: Connection, directory: int, groups: Collection[int], expected: int) -> None:
        self._connection = connection
        self._directory = directory
        self._groups = groups
        self._all: dict[int, int] | None = None
        if expected >= MANY:
            query = select(names.c.name, names.c.ref).where(names.c.directory == directory)
            parts = connection.execute(query).partitions(10_000)
            self._all = _one_each(((number, ref) for rows in parts for number, ref in rows), groups)

    def meant(self, wanted: Collection[int]) -> dict[int, int]:
        """The ref that each of these names means, as far as somebody has it. Of a user and a group with one name it is
        the user; of two users it is nobody."""
        if self._all is not None:
            every = self._all
            return {number: every[number] for number in wanted if number in every}
        pairs = (pair for some in batched(wanted, ASKED) for pair in self._ask(some))
        return _one_each(pairs, self._groups)

    def _ask(self, wanted: list[int]) -> Iterable[tuple[int, int]]:
        query = select(names.c.name, names.c.ref).where(
            names.c.directory == self._directory, among(self._connection, names.c.name, wanted)
        )
        return [(number, ref) for number, ref in self._connection.execute(query)]


def _one_each(pairs: Iterable[tuple[int, int]], groups: Collection[int]) -> dict[int, int]:
    meant: dict[int, int] = {}
    doubtful: set[int] = set()
    for number, ref in pairs:
        other = meant.setdefault(number, ref)
        if other == ref:
            continue
        if other in groups and ref not in groups:
            meant[number] = ref
        elif (ref in groups) is (other in groups):
            doubtful.add(number)
    for number in doubtful:
        del meant[number]
    return meant


def group_ids(connection: Connection, directory: int) -> dict[int, str]:
    """The groups of a directory that are not gone: ref → id."""
    query = select(records.c.ref, records.c.id).where(
        records.c.directory == directory, records.c.kind == NUMBER[Kind.GROUP], records.c.gone_at.is_(None)
    )
    return {ref: id_ for ref, id_ in connection.execute(query)}  # noqa: C416 - rows, not pairs
