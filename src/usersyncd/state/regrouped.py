"""Which users are in other groups after a pull, or in groups that have other names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from usersyncd.core.graph import reached
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.membership_graph import MembershipGraph


def regrouped(graph: MembershipGraph, changes: Mapping[int, MembershipChange], renamed: Collection[int]) -> set[int]:
    """The users for whom the set of their groups' names is another one now. ``graph``: the memberships after the pull;
    ``changes``: what the pull changed; ``renamed``: the groups that have another name or are new."""
    return _in_others(graph, changes).union(*map(graph.flattened, renamed))


def _in_others(graph: MembershipGraph, changes: Mapping[int, MembershipChange]) -> set[int]:
    """The users who are in other groups now, directly or through nested groups.

    On the way from a user to a group that they left, some edge was removed. Below the lowest one, the user still is in
    the nested group, or is at its end. The same holds for groups that they entered. So these are all who come into
    question; of each, the groups before and after the pull are compared.
    """
    nested = set[int]().union(*(change.groups for change in changes.values()))
    users = set[int]().union(*(change.users for change in changes.values()), *map(graph.flattened, nested))
    direct = graph.containing(users)
    users_changed, groups_changed = _by_member(changes)
    before = {user: set(direct.get(user, ())) ^ users_changed.get(user, set()) for user in users}

    def contained(groups: set[int]) -> Iterable[int]:
        now = graph.parents(groups)
        return (parent for group in groups for parent in now[group] ^ groups_changed.get(group, set()))

    above = graph.above_each(set[int]().union(*direct.values()))
    reached(set[int]().union(*before.values()), contained)  # One question for all.
    above_before = {group: reached([group], contained) for group in set[int]().union(*before.values())}
    return {
        user for user in users if _everywhere(direct.get(user, ()), above) != _everywhere(before[user], above_before)
    }


def _everywhere(groups: Iterable[int], above: Mapping[int, set[int]]) -> set[int]:
    """These groups and all groups that contain one of them."""
    return set[int]().union(*(above[group] for group in groups))


def _by_member(
    changes: Mapping[int, MembershipChange],
) -> tuple[Mapping[int, set[int]], Mapping[int, set[int]]]:
    """The groups that each user, and each group, entered or left."""
    users: defaultdict[int, set[int]] = defaultdict(set)
    groups: defaultdict[int, set[int]] = defaultdict(set)
    for group, change in changes.items():
        for ref in change.users:
            users[ref].add(group)
        for ref in change.groups:
            groups[ref].add(group)
    return users, groups
