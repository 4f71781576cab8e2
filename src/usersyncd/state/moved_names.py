"""The names by which groups name their members, and that mean another record after a pull."""

from __future__ import annotations

from array import array
from collections.abc import Collection

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.state.groups_by_name import groups_naming
from usersyncd.state.names import Meant, NameResolver


class Meaning(Struct, frozen=True):
    """Who is meant by a name: the ref, as far as somebody is, and whether several records have the name."""

    ref: int | None
    ambiguous: bool


class MovedNames:
    """What the names of one directory meant before a pull, as far as its records get or lose them."""

    def __init__(self, connection: Connection, directory: int) -> None:
        self._connection = connection
        self._directory = directory
        self.before: dict[int, Meaning] = {}

    def note(self, names: Collection[int]) -> None:
        """Records are about to get or to lose these names."""
        new = [name for name in names if name not in self.before]
        used = groups_naming(self._connection, self._directory, new).keys()
        meant = self._meant(used)
        self.before.update((name, meaning(meant, name)) for name in used)

    def by_group(self) -> dict[int, array[int]]:
        """The names that mean another record now, by the groups that name a member so."""
        meant = self._meant(self.before.keys())
        moved = [name for name, before in self.before.items() if meaning(meant, name) != before]
        found: dict[int, array[int]] = {}
        for name, groups in groups_naming(self._connection, self._directory, moved).items():
            for group in groups:
                found.setdefault(group, array("q")).append(name)
        return found

    def _meant(self, names: Collection[int]) -> Meant:
        return NameResolver(self._connection, self._directory).meant(names)


def meaning(meant: Meant, name: int) -> Meaning:
    """Who is meant by one of these names."""
    return Meaning(meant.refs.get(name), name in meant.ambiguous)
