"""Which groups name a member by an id or handle: the reverse of what the memberships hold.

With it, a record that comes, leaves or gets another name leads to its groups, and nobody has to look at all of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise

from sqlalchemy import Connection, delete, func, select

from usersyncd.core.digest import pack, unpack
from usersyncd.core.sorted_arrays import edited
from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.tables import groups_by_name, memberships

ASKED = 5_000
"""How many names are looked up or written at a time."""
MANY = 200_000
"""From so many changes on, writing everything again costs less."""
PART = 500_000
"""How many edges are in memory at a time while everything is written again."""
_COLUMNS = ("directory", "name", "groups")


def groups_naming(connection: Connection, directory: int, names: Collection[int]) -> dict[int, array[int]]:
    """The refs of the groups that name a member by each of these names, as far as there are any."""
    query = select(groups_by_name.c.name, groups_by_name.c.groups)
    found: dict[int, array[int]] = {}
    for some in batched(names, ASKED):
        mine = groups_by_name.c.directory == directory, among(connection, groups_by_name.c.name, some)
        found.update((name, unpack("I", groups)) for name, groups in connection.execute(query.where(*mine)).all())
    return found


class GroupsByName:
    """Collects what one pull changes of it. ``everything``: it is written again as a whole."""

    def __init__(self, connection: Connection, directory: int, *, everything: bool) -> None:
        self._connection = connection
        self._directory = directory
        self._everything = everything
        self._added: defaultdict[int, set[int]] = defaultdict(set)
        self._removed: defaultdict[int, set[int]] = defaultdict(set)
        self._count = 0

    def note(self, group: int, added: Collection[int], removed: Collection[int]) -> None:
        """A group names other members than before."""
        self._count += len(added) + len(removed)
        self._everything = self._everything or self._count > MANY
        if self._everything:
            self._added.clear()
            self._removed.clear()
            return
        for name in added:
            self._added[name].add(group)
        for name in removed:
            self._removed[name].add(group)

    def save(self) -> Iterator[None]:
        """Write everything; pauses now and then."""
        if self._everything:
            yield from rebuild(self._connection, self._directory)
            return
        for some in batched(sorted({*self._added, *self._removed}), ASKED):
            self._write(some)
            yield

    def _write(self, names: list[int]) -> None:
        held = groups_naming(self._connection, self._directory, names)
        now = {
            name: edited(held.get(name, array("I")), self._added.get(name, set()), self._removed.get(name, set()))
            for name in names
        }
        unused = [name for name in held if not now[name]]
        mine = groups_by_name.c.directory == self._directory, among(self._connection, groups_by_name.c.name, unused)
        if unused:
            self._connection.execute(delete(groups_by_name).where(*mine))
        rows = ((self._directory, name, pack(groups)) for name, groups in now.items() if groups)
        bulk.upsert(self._connection, groups_by_name, _COLUMNS, rows)


def rebuild(connection: Connection, directory: int) -> Iterator[None]:
    """Write the groups of all names again, by one range of names after the other: in sorted arrays, each is a slice."""
    connection.execute(delete(groups_by_name).where(groups_by_name.c.directory == directory))
    total = connection.scalar(select(func.sum(memberships.c.count)).where(memberships.c.directory == directory))
    query = select(memberships.c.ref, memberships.c.names).where(memberships.c.directory == directory)
    parts = int(total or 0) // PART + 1
    for low, high in pairwise(2**64 * part // parts - 2**63 for part in range(parts + 1)):
        found: defaultdict[int, bytes] = defaultdict(bytes)
        for ref, blob in connection.execute(query.order_by(memberships.c.ref)):
            numbers, packed = unpack("q", blob), pack(array("I", [ref]))
            for name in numbers[bisect_left(numbers, low) : bisect_left(numbers, high)]:
                found[name] += packed  # Sorted, because the groups come by ref.
        rows = ((directory, name, found[name]) for name in sorted(found))
        bulk.insert(connection, groups_by_name, _COLUMNS, rows)
        yield
