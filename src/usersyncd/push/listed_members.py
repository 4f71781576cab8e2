"""The members of a group while requests change them: what is stored, and the edits on top."""

from __future__ import annotations

from collections.abc import Iterable

from usersyncd.core.digest import name, wrapped
from usersyncd.core.sorted_arrays import has
from usersyncd.plugin import Members
from usersyncd.state.pushed import ListedNames


class ListedMembers:
    """The members of one group. The stored ones are known by the hashes of their ids only, so that a group of 50,000 is
    one array."""

    def __init__(self, stored: ListedNames = ListedNames()) -> None:  # noqa: B008 - it is immutable
        self._stored = stored
        self._replaced = False
        self._added: dict[int, str] = {}
        self._removed: dict[int, str] = {}

    def edit(self, added: Iterable[str], removed: Iterable[str]) -> bool:
        """Add and remove members. Returns whether that changed anything."""
        changed = [self._add(id_) for id_ in added]
        changed += [self._remove(id_) for id_ in removed]
        return any(changed)

    def replace(self, ids: Iterable[str]) -> bool:
        """Set the whole membership. Returns whether that changed anything."""
        before = self.digest
        self._replaced, self._removed = True, {}
        self._added = {name(id_): id_ for id_ in ids}
        return self.digest != before

    @property
    def digest(self) -> int:
        """The digest of the members, in any order."""
        base = 0 if self._replaced else self._stored.digest
        return wrapped(base + sum(self._added) - sum(self._removed))

    def item(self, group: str) -> Members | None:
        """What a pull would say of these members; None: they are as stored."""
        if self._replaced and self.digest == self._stored.digest:
            return None
        if not (self._replaced or self._added or self._removed):
            return None
        return Members(group, frozenset(self._added.values()), frozenset(self._removed.values()), whole=self._replaced)

    def _add(self, id_: str) -> bool:
        number = name(id_)
        if self._has(number):
            return False
        if self._removed.pop(number, None) is None:
            self._added[number] = id_
        return True

    def _remove(self, id_: str) -> bool:
        number = name(id_)
        if not self._has(number):
            return False
        if self._added.pop(number, None) is None:
            self._removed[number] = id_
        return True

    def _has(self, number: int) -> bool:
        if number in self._added:
            return True
        return not self._replaced and number not in self._removed and has(self._stored.names, number)
