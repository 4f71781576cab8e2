"""A part of the plan: the members to add to and remove from each group of the target.

In most groups only some members are compared: those that entered or left the group since the last delivery, and those
that the plan creates in the target or removes from it.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from usersyncd.core.graph import reached
from usersyncd.core.model import MembershipMode
from usersyncd.core.sorted_arrays import those_in
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import membership_changes
from usersyncd.state.bulk import batched
from usersyncd.state.candidates import Selection
from usersyncd.state.compared_groups import all_groups, retried_groups
from usersyncd.state.database import Connection
from usersyncd.state.held_members import GroupMembers, HeldMembers, held_members
from usersyncd.state.membership_changes import MembershipChange
from usersyncd.state.membership_graph import MembershipGraph
from usersyncd.state.people import People
from usersyncd.state.plan_store import PlanStore

GROUPS = 200
"""Groups that are compared together."""
PART = 10_000
"""The largest number of members in one change."""

Compared = dict[int, set[int] | None]
"""The refs of the groups to compare, each with the refs of the members to compare; None: all members."""


def plan_memberships(
    connection: Connection, selection: Selection, directory: str, plan: PlanStore, mode: MembershipMode
) -> Iterator[None]:
    """Add membership changes to the plan after the claims are decided. Yields between groups of work."""
    graph = MembershipGraph(connection, selection.directory)
    people = People(connection, selection.target, plan, selection.drift.missing)
    taken = plan.taken()
    compared = _compared(connection, selection, directory, plan, mode, graph)
    for groups in batched(sorted(compared.keys() - taken.keys()), GROUPS):
        page = {group: compared[group] for group in groups}
        held = _held(connection, selection, page, taken)
        in_directory = _in_directory(graph, page, mode)
        in_target = (refs for membership in held.values() for refs in (membership.members, membership.unanswered))
        people.learn(set(groups).union(*in_directory.values(), *in_target))
        for group in groups:
            _compare(plan, directory, group, in_directory[group], held[group], people)
        yield


# ---- which groups and members are compared


def _compared(
    connection: Connection,
    selection: Selection,
    directory: str,
    plan: PlanStore,
    mode: MembershipMode,
    graph: MembershipGraph,
) -> Compared:
    """The groups to compare.

    If nothing was delivered by these rules yet, all members of all groups. Otherwise all members of the groups that are
    new, deleted, partly refused before, or found different in the target; and in the other groups the members that
    changed.
    """
    moved = plan.claims.moved(Kind.GROUP, directory)
    if selection.since is None:
        graph.load_all()
        return dict.fromkeys([*moved, *all_groups(connection, selection)])
    changes = membership_changes.since(connection, selection.directory, selection.since)
    users = plan.claims.moved(Kind.USER, directory)
    found = _flattened(graph, changes, users) if mode == "flattened" else _direct(graph, changes, [*users, *moved])
    whole = [*moved, *retried_groups(connection, selection), *selection.drift.groups()]
    return {**found, **dict.fromkeys(whole)}


def _direct(graph: MembershipGraph, changes: Iterable[tuple[int, MembershipChange]], moved: list[int]) -> Compared:
    """The members to compare in each group: those that entered or left it, and its direct members that ``moved``: the
    plan creates them in the target or removes them."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for group, change in changes:
        found[group].update(change.users, change.groups)
    for ref, groups in graph.containing(moved).items():
        for group in groups:
            found[group].add(ref)
    return dict(found)


def _flattened(graph: MembershipGraph, changes: list[tuple[int, MembershipChange]], moved: list[int]) -> Compared:
    """The members to compare in each group that holds all users of its nested groups too. A user enters or leaves a
    group with any edge between them, so a change concerns all groups that are above now or were above before."""
    former: defaultdict[int, list[int]] = defaultdict(list)
    entered: defaultdict[int, set[int]] = defaultdict(set)
    for group, change in changes:
        entered[group].update(change.users, *map(graph.flattened, change.groups))
        for nested in change.groups:
            former[nested].append(group)
    for ref, groups in graph.containing(moved).items():
        for group in groups:
            entered[group].add(ref)

    def containing(groups: set[int]) -> Iterable[int]:
        now = graph.parents(groups)
        return (parent for group in groups for parents in (now, former) for parent in parents.get(group, ()))

    reached(entered, containing)  # One query for all groups, instead of one for each.
    found: defaultdict[int, set[int]] = defaultdict(set)
    for group, users in entered.items():
        for above in reached([group], containing):
            found[above] |= users
    return dict(found)


# ---- the members in the directory and in the target


def _in_directory(graph: MembershipGraph, compared: Compared, mode: MembershipMode) -> dict[int, set[int]]:
    """Which of the compared members each group has in the directory."""
    members = graph.flattened if mode == "flattened" else graph.members
    direct = graph.containing(set[int]().union(*filter(None, compared.values())))
    if mode == "flattened":
        above = graph.above_each(set[int]().union(*direct.values()))
        places = {ref: set[int]().union(*(above[group] for group in groups)) for ref, groups in direct.items()}
    else:
        places = {ref: set(groups) for ref, groups in direct.items()}
    return {
        group: members(group) if refs is None else {ref for ref in refs if group in places.get(ref, ())}
        for group, refs in compared.items()
    }


def _held(
    connection: Connection, selection: Selection, compared: Compared, taken: Mapping[int, int]
) -> dict[int, GroupMembers]:
    """Which of the compared members the target holds in each group. A record that adopts a leaver's object gets the
    object's memberships. Adds to the compared members those whose change was not answered."""
    adopted = {ref: leaver for leaver, ref in taken.items()}
    objects = {group: adopted.get(group, group) for group in compared}
    linked = held_members(connection, selection.target, objects.values())
    found = selection.drift.members(objects.values())
    for group, object_ in objects.items():
        held = linked.get(object_, HeldMembers())
        if (refs := compared[group]) is not None:
            refs |= {*held.unanswered, *(taken[ref] for ref in refs if ref in taken)}
            former = {leaver for ref in refs if (leaver := adopted.get(ref)) is not None}
            found[object_] = GroupMembers(those_in(held.members, refs | former), set(held.unanswered))
        elif object_ not in found:
            found[object_] = held.as_sets()
    return {
        group: GroupMembers(set(), set())
        if object_ in selection.drift.missing
        else _known(found[object_], selection, taken)
        for group, object_ in objects.items()
    }


def _known(held: GroupMembers, selection: Selection, taken: Mapping[int, int]) -> GroupMembers:
    """The members whose objects exist, as the records that will have these objects."""
    missing = selection.drift.missing
    return GroupMembers(
        {taken.get(ref, ref) for ref in held.members - missing},
        {taken.get(ref, ref) for ref in held.unanswered - missing},
    )


def _compare(
    plan: PlanStore, directory: str, ref: int, in_directory: set[int], held: GroupMembers, people: People
) -> None:
    """Add the changes of one group to the plan."""
    group = people.members.get(ref)
    if group is None:
        return  # The group is not in the target, and the plan does not create it.
    required = in_directory & people.here if ref in people.here else set()
    # Additions and removals that were not answered are sent again.
    added = required - (held.members - held.unanswered)
    removed = {ref for ref in (held.members | held.unanswered) - required if people.members.get(ref) is not None}
    for op, changed in ((Op.ADD, added), (Op.REMOVE, removed)):
        for part, refs in enumerate(batched(sorted(changed), PART)):
            members = tuple(filter(None, map(people.members.get, refs)))
            change = Change(op, Kind.GROUP, directory, group.id, group.key, members=members, target_id=group.target_id)
            plan.add_members(ref, change, array("I", refs), part)
