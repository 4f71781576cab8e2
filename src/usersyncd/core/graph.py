"""Groups within groups. Records are known by their refs here; cycles are harmless everywhere."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping

NOBODY: array[int] = array("I")


class Graph:
    """The memberships of one directory: for each group its direct users and its direct groups, as sorted arrays of
    refs."""

    def __init__(self, users: Mapping[int, array[int]], groups: Mapping[int, array[int]]) -> None:
        self.users = users
        self.groups = {group: nested for group, nested in groups.items() if nested}
        self._parents: dict[int, list[int]] | None = None

    def beneath(self, group: int) -> set[int]:
        """The group and all groups nested in it, at any depth."""
        found = {group}
        waiting = [group]
        while waiting:
            for nested in self.groups.get(waiting.pop(), NOBODY):
                if nested not in found:
                    found.add(nested)
                    waiting.append(nested)
        return found

    def above(self, groups: Iterable[int]) -> set[int]:
        """These groups and all groups that contain one of them, at any depth."""
        if self._parents is None:
            self._parents = defaultdict(list)
            for parent, nested in self.groups.items():
                for group in nested:
                    self._parents[group].append(parent)
        found = set(groups)
        waiting = list(found)
        while waiting:
            for parent in self._parents.get(waiting.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return found

    def flattened(self, group: int) -> set[int]:
        """The users who are in a group directly or through nested groups."""
        members: set[int] = set()
        for part in self.beneath(group):
            members.update(self.users.get(part, NOBODY))
        return members

    def containing(self, users: set[int]) -> dict[int, list[int]]:
        """For each of these users the groups that they are directly in."""
        found: dict[int, list[int]] = {}
        for group, members in self.users.items():
            for user in users.intersection(members):
                found.setdefault(user, []).append(group)
        return found


def regrouped(before: Graph, after: Graph, changed: Iterable[int], renamed: Iterable[int]) -> set[int]:
    """The users for whom the set of their groups' names is another one now.

    ``changed`` are the groups whose own edges changed: whoever entered or left one of them, or a group above it,
    entered or left that group itself. ``renamed`` are groups that have another name, are new or are gone: all in them
    are touched.
    """
    touched: set[int] = set()
    for group in changed:
        touched |= before.flattened(group) ^ after.flattened(group)
    for group in renamed:
        touched |= before.flattened(group) | after.flattened(group)
    return touched
