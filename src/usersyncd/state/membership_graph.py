"""The memberships of one directory as a graph, of which only the needed parts are read."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

from usersyncd.core.digest import unpack
from usersyncd.core.graph import NOBODY, reached
from usersyncd.state.bulk import batched
from usersyncd.state.database import among
from usersyncd.state.groups_by_name import groups_naming
from usersyncd.state.names import NameResolver, names_of
from usersyncd.state.tables import memberships

BATCH = 5_000
"""How many groups or records are read at a time."""


class MembershipGraph:
    """Groups and their members, all as refs. It keeps what it has read."""

    def __init__(self, connection: Connection, directory: int) -> None:
        self._connection = connection
        self._directory = directory
        self._resolver = NameResolver(connection, directory)
        self._users: dict[int, array[int]] = {}
        self._groups: dict[int, array[int]] = {}
        self._parents: dict[int, set[int]] = {}
        self._above: dict[int, set[int]] = {}

    # ---- downwards

    def load_all(self) -> None:
        """Read all memberships at once, for a caller that needs most of them."""
        self._read(_members().where(memberships.c.directory == self._directory))

    def members(self, group: int) -> set[int]:
        """The users and groups that are directly in a group."""
        self._load([group])
        return {*self._users[group], *self._groups[group]}

    def flattened(self, group: int) -> set[int]:
        """The users that are in a group directly or through nested groups."""
        return set[int]().union(*(self._users[part] for part in reached([group], self._nested)))

    def _nested(self, groups: Collection[int]) -> Iterable[int]:
        self._load(groups)
        return (nested for group in groups for nested in self._groups[group])

    def _load(self, groups: Collection[int]) -> None:
        for batch in batched((group for group in groups if group not in self._users), BATCH):
            self._users.update(dict.fromkeys(batch, NOBODY))
            self._groups.update(dict.fromkeys(batch, NOBODY))
            self._read(_members().where(among(self._connection, memberships.c.ref, batch)))

    def _read(self, query: Select[Any]) -> None:
        for ref, users, groups in self._connection.execute(query):
            self._users[ref], self._groups[ref] = unpack("I", users), unpack("I", groups)

    # ---- upwards

    def containing(self, refs: Collection[int]) -> dict[int, list[int]]:
        """The groups that each of these records is directly in. Records without a group are left out."""
        containing: defaultdict[int, list[int]] = defaultdict(list)
        for batch in batched(refs, BATCH):
            names = names_of(self._connection, batch)
            groups = groups_naming(self._connection, self._directory, {name for own in names.values() for name in own})
            meant = self._resolver.resolve(groups.keys()).refs
            for ref, own in names.items():
                naming = {group for name in own if meant.get(name) == ref for group in groups[name]}
                if naming:
                    containing[ref] = sorted(naming)
        return containing

    def parents(self, groups: Collection[int]) -> Mapping[int, set[int]]:
        """The groups that contain each of these groups directly."""
        new = [group for group in groups if group not in self._parents]
        if new:
            containing = self.containing(new)
            self._parents.update((group, set(containing.get(group, ()))) for group in new)
        return self._parents

    def above_each(self, groups: Collection[int]) -> Mapping[int, set[int]]:
        """Each of these groups with all groups that contain it, at any depth."""
        new = [group for group in groups if group not in self._above]
        reached(new, self._all_parents)  # Reads the parents of all groups at once.
        self._above.update((group, reached([group], self._all_parents)) for group in new)
        return self._above

    def _all_parents(self, groups: Collection[int]) -> Iterable[int]:
        parents = self.parents(groups)
        return (parent for group in groups for parent in parents[group])


def _members() -> Select[Any]:
    return select(memberships.c.ref, memberships.c.users, memberships.c.groups)
