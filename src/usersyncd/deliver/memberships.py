"""A part of the plan: the members to add to and remove from each group of the target."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection, select

from usersyncd.core.graph import NOBODY, Graph
from usersyncd.core.model import MembershipMode
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import links
from usersyncd.state.bulk import batched
from usersyncd.state.links import Membership
from usersyncd.state.people import People
from usersyncd.state.planned import Plan
from usersyncd.state.subjects import Scope
from usersyncd.state.tables import link_members, memberships, records, retries

GROUPS = 200
"""Groups that are compared together."""
PART = 10_000
"""The largest number of members in one change."""


def plan_memberships(
    connection: Connection,
    scope: Scope,
    directory: str,
    plan: Plan,
    mode: MembershipMode,
    graph: Callable[[], Graph],
) -> Iterator[None]:
    """Add membership changes to the plan after the claims are decided. Yields between groups of work.

    ``graph`` returns the memberships of the directory.
    """
    groups_in_question = _touched(connection, scope, directory, plan)
    moved = set() if scope.since is None else set(plan.moved(Kind.USER, directory))
    if not groups_in_question and not moved:
        return
    edges = graph()
    if scope.since is not None:
        new_groups = set(plan.moved(Kind.GROUP, directory))
        groups_in_question = _concerned(edges, groups_in_question, moved, new_groups, mode)
    people = People(connection, scope.target, plan, scope.drift.missing)
    taken = plan.taken()
    groups_in_question -= taken.keys()
    for groups in batched(sorted(groups_in_question), GROUPS):
        held = _held(connection, scope, groups, taken)
        wanted = {group: _members(edges, group, mode) for group in groups}
        both = (refs for one in held.values() for refs in (one.members, one.unanswered))
        people.learn(set(groups).union(*wanted.values(), *both))
        for group in groups:
            _compare(plan, directory, group, wanted[group], held.get(group) or Membership(set(), set()), people)
        yield


def _touched(connection: Connection, scope: Scope, directory: str, plan: Plan) -> set[int]:
    """The groups that changed: with other members, new, deleted, or refused in part before. All groups if nothing was
    delivered by these rules yet."""
    here = select(memberships.c.ref).where(memberships.c.directory == scope.directory)
    found = set(plan.moved(Kind.GROUP, directory))
    if scope.since is None:
        held = (
            select(link_members.c.ref)
            .join(records, records.c.ref == link_members.c.ref)
            .where(link_members.c.target == scope.target, records.c.directory == scope.directory)
        )
        return found.union(connection.scalars(here), connection.scalars(held))
    changed = here.where(memberships.c.revision > scope.since)
    failed = here.where(memberships.c.ref.in_(select(retries.c.ref).where(retries.c.target == scope.target)))
    return found.union(connection.scalars(changed), connection.scalars(failed), scope.drift.groups())


def _concerned(edges: Graph, touched: set[int], people: set[int], moved: set[int], mode: MembershipMode) -> set[int]:
    """Adds the groups of ``people`` who come or leave, and those of the groups that do (``moved``); with ``flattened``
    also all groups that contain them."""
    containing = edges.containing(people)
    found = touched.union(*containing.values())
    if mode == "flattened":
        return edges.above(found)
    return found | {group for group, nested in edges.groups.items() if not moved.isdisjoint(nested)}


def _members(edges: Graph, group: int, mode: MembershipMode) -> set[int]:
    if mode == "flattened":
        return edges.flattened(group)
    return {*edges.users.get(group, NOBODY), *edges.groups.get(group, NOBODY)}


def _held(connection: Connection, scope: Scope, groups: list[int], taken: Mapping[int, int]) -> dict[int, Membership]:
    """The members that the target holds in these groups. Who adopts a leaver's object gets its memberships."""
    adopted = {ref: leaver for leaver, ref in taken.items()}
    asked = [*groups, *(adopted[group] for group in groups if group in adopted)]
    held = links.members(connection, scope.target, asked) | scope.drift.members(asked)
    if missing := scope.drift.missing:
        held = {
            ref: Membership(one.members - missing, one.unanswered - missing)
            for ref, one in held.items()
            if ref not in missing
        }
    found = {group: held[adopted.get(group, group)] for group in groups if adopted.get(group, group) in held}
    if taken:
        for one in found.values():
            one.members = {taken.get(ref, ref) for ref in one.members}
            one.unanswered = {taken.get(ref, ref) for ref in one.unanswered}
    return found


def _compare(plan: Plan, directory: str, ref: int, wanted: set[int], held: Membership, people: People) -> None:
    group = people.members.get(ref)
    if group is None:
        return  # The group is not in the target, and the plan does not create it.
    shall = wanted & people.here if ref in people.here else set()
    # Additions and removals that were not answered are sent again.
    added = shall - (held.members - held.unanswered)
    removed = {ref for ref in (held.members | held.unanswered) - shall if people.members.get(ref) is not None}
    for op, some in ((Op.ADD, added), (Op.REMOVE, removed)):
        for part, refs in enumerate(batched(sorted(some), PART)):
            members = tuple(filter(None, map(people.members.get, refs)))
            change = Change(op, Kind.GROUP, directory, group.id, group.key, members=members, target_id=group.target_id)
            plan.add_members(ref, change, array("I", refs), part)
