"""An index from the name of a member (id or handle) to the groups that use it: the reverse of the memberships.

It leads from a record that is new, deleted or renamed to its groups, so that a pull does not have to read all groups.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise

from sqlalchemy import Connection, bindparam, delete, func, select

from usersyncd.core.digest import pack, unpack
from usersyncd.core.sorted_arrays import edited
from usersyncd.state import bulk
from usersyncd.state.bulk import batched
from usersyncd.state.conditions import one_of
from usersyncd.state.database import among
from usersyncd.state.tables import groups_by_name, memberships

BATCH = 5_000
"""How many names are read or written at a time."""
MANY = 200_000
"""From this number of changes on, rebuilding the index costs less than changing it."""
PART = 500_000
"""About how many edges are in memory at a time during a rebuild."""
_COLUMNS = ("directory", "name", "groups")
_NAMING = select(groups_by_name.c.name, groups_by_name.c.groups).where(
    groups_by_name.c.directory == bindparam("directory"), one_of(groups_by_name.c.name, "names")
)


def groups_naming(connection: Connection, directory: int, names: Collection[int]) -> dict[int, array[int]]:
    """The refs of the groups that use each of these names for a member. Names without a group are left out."""
    naming: dict[int, array[int]] = {}
    for batch in batched(names, BATCH):
        rows = connection.execute(_NAMING, {"directory": directory, "names": batch}).all()
        naming.update((name, unpack("I", groups)) for name, groups in rows)
    return naming


class GroupsByName:
    """Collects the changes of one pull to the index of one directory. ``everything``: the index is rebuilt."""

    def __init__(self, connection: Connection, directory: int, *, everything: bool) -> None:
        self._connection = connection
        self._directory = directory
        self._everything = everything
        self._added: defaultdict[int, set[int]] = defaultdict(set)
        self._removed: defaultdict[int, set[int]] = defaultdict(set)
        self._count = 0

    def note(self, group: int, added: Collection[int], removed: Collection[int]) -> None:
        """Note that a group gained and lost these names."""
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
        """Write the changes. Yields between batches."""
        if self._everything:
            yield from rebuild(self._connection, self._directory)
            return
        for names in batched(sorted({*self._added, *self._removed}), BATCH):
            self._write(names)
            yield

    def _write(self, names: list[int]) -> None:
        held = groups_naming(self._connection, self._directory, names)
        now = {
            name: edited(held.get(name, array("I")), self._added.get(name, set()), self._removed.get(name, set()))
            for name in names
        }
        unused = [name for name in held if not now[name]]
        matches = groups_by_name.c.directory == self._directory, among(self._connection, groups_by_name.c.name, unused)
        if unused:
            self._connection.execute(delete(groups_by_name).where(*matches))
        rows = ((self._directory, name, pack(groups)) for name, groups in now.items() if groups)
        bulk.upsert(self._connection, groups_by_name, _COLUMNS, rows)


def rebuild(connection: Connection, directory: int) -> Iterator[None]:
    """Rebuild the index of a directory, one range of names at a time. The names of a group are sorted, so that each
    range is a slice of them."""
    connection.execute(delete(groups_by_name).where(groups_by_name.c.directory == directory))
    total = connection.scalar(select(func.sum(memberships.c.count)).where(memberships.c.directory == directory))
    query = select(memberships.c.ref, memberships.c.names).where(memberships.c.directory == directory)
    parts = int(total or 0) // PART + 1
    for low, high in pairwise(2**64 * part // parts - 2**63 for part in range(parts + 1)):
        groups: defaultdict[int, bytes] = defaultdict(bytes)
        for ref, blob in connection.execute(query.order_by(memberships.c.ref)):
            numbers, packed = unpack("q", blob), pack(array("I", [ref]))
            for name in numbers[bisect_left(numbers, low) : bisect_left(numbers, high)]:
                groups[name] += packed  # They are sorted, because the query is ordered by ref.
        rows = ((directory, name, groups[name]) for name in sorted(groups))
        bulk.insert(connection, groups_by_name, _COLUMNS, rows)
        yield
