"""Finds the users that are in other groups after a pull than before, or in groups with another name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from usersyncd.core.graph import reached
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.membership_graph import MembershipGraph


def regrouped(graph: MembershipGraph, changes: Mapping[int, MembershipChange], renamed: Collection[int]) -> set[int]:
    """The users whose set of group names may have changed. ``graph``: the memberships after the pull; ``changes``: the
    changes of the pull, by the group's ref; ``renamed``: the groups that are new or have another name."""
    return _in_other_groups(graph, changes).union(*map(graph.flattened, renamed))


def _in_other_groups(graph: MembershipGraph, changes: Mapping[int, MembershipChange]) -> set[int]:
    """The users that are in other groups than before, directly or through nested groups.

    If a user left a group, an edge on the path from the user to the group was removed. Below the lowest removed edge,
    the path still exists: the edge began at the user, or at a nested group that the user is still in. The same is
    true of added edges and groups that a user entered. So only the members at changed edges, and the users in changed
    nested groups, have to be compared.
    """
    nested = set[int]().union(*(change.groups for change in changes.values()))
    users = set[int]().union(*(change.users for change in changes.values()), *map(graph.flattened, nested))
    direct = graph.containing(users)
    users_changed, groups_changed = _by_member(changes)
    before = {user: set(direct.get(user, ())) ^ users_changed.get(user, set()) for user in users}

    def parents_before(groups: set[int]) -> Iterable[int]:
        now = graph.parents(groups)
        return (parent for group in groups for parent in now[group] ^ groups_changed.get(group, set()))

    above = graph.above_each(set[int]().union(*direct.values()))
    reached(set[int]().union(*before.values()), parents_before)  # Reads the parents of all groups at once.
    above_before = {group: reached([group], parents_before) for group in set[int]().union(*before.values())}
    return {
        user for user in users if _with_above(direct.get(user, ()), above) != _with_above(before[user], above_before)
    }


def _with_above(groups: Iterable[int], above: Mapping[int, set[int]]) -> set[int]:
    """These groups and all groups that contain one of them."""
    return set[int]().union(*(above[group] for group in groups))


def _by_member(
    changes: Mapping[int, MembershipChange],
) -> tuple[Mapping[int, set[int]], Mapping[int, set[int]]]:
    """The groups that each user and each group entered or left: by user, and by group."""
    users: defaultdict[int, set[int]] = defaultdict(set)
    groups: defaultdict[int, set[int]] = defaultdict(set)
    for group, change in changes.items():
        for ref in change.users:
            users[ref].add(group)
        for ref in change.groups:
            groups[ref].add(group)
    return users, groups
