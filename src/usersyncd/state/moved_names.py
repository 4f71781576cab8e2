"""Finds the names of members that mean another record after a pull than before."""

from __future__ import annotations

from array import array
from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.state.groups_by_name import groups_naming
from usersyncd.state.names import NameResolver, ResolvedNames


class Meaning(Struct, frozen=True):
    """The record that a name means: its ref, or None, and whether several records have the name."""

    ref: int | None
    ambiguous: bool


class MovedNames:
    """Remembers what the names that a pull gives or takes meant before, if a group uses them."""

    def __init__(self, connection: Connection, directory: int) -> None:
        self._connection = connection
        self._directory = directory
        self.before: dict[int, Meaning] = {}

    def note(self, names: Collection[int]) -> None:
        """Remember what these names mean. Call it before records get or lose them."""
        new = [name for name in names if name not in self.before]
        used = groups_naming(self._connection, self._directory, new).keys()
        meant = self._resolve(used)
        self.before.update((name, meaning(meant, name)) for name in used)

    def by_group(self) -> dict[int, array[int]]:
        """The names that mean another record now, by the ref of the group that uses them for a member."""
        meant = self._resolve(self.before.keys())
        moved = [name for name, before in self.before.items() if meaning(meant, name) != before]
        by_group: dict[int, array[int]] = {}
        for name, groups in groups_naming(self._connection, self._directory, moved).items():
            for group in groups:
                by_group.setdefault(group, array("q")).append(name)
        return by_group

    def _resolve(self, names: Collection[int]) -> ResolvedNames:
        return NameResolver(self._connection, self._directory).resolve(names)


def meaning(meant: ResolvedNames, name: int) -> Meaning:
    """The record that one of these names means."""
    return Meaning(meant.refs.get(name), name in meant.ambiguous)
