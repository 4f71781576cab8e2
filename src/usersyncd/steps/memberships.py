"""A part of the plan: who is to be added to, and removed from, which group of the target."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator

from sqlalchemy import Connection, select

from usersyncd.core.graph import NOBODY, Graph
from usersyncd.core.model import MembershipMode
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import delivered
from usersyncd.state.bulk import batched
from usersyncd.state.delivered import Membership
from usersyncd.state.people import People
from usersyncd.state.planned import Plan
from usersyncd.state.subjects import Scope
from usersyncd.state.tables import delivered_members, memberships, records, retries

GROUPS = 200
"""How many groups are looked at together."""
PART = 10_000
"""How many members one change names at the most."""


def plan_memberships(
    connection: Connection,
    scope: Scope,
    directory: str,
    plan: Plan,
    mode: MembershipMode,
    graph: Callable[[], Graph],
) -> Iterator[None]:
    """Add the changes of the groups in question to the plan, once its records are settled. Pauses now and then.
    ``graph`` gives the memberships of the directory."""
    groups_in_question = _touched(connection, scope, plan)
    moved = set() if scope.since is None else set(plan.moved(Kind.USER))
    if not groups_in_question and not moved:
        return
    edges = graph()
    if scope.since is not None:
        groups_in_question = _concerned(edges, groups_in_question, moved, plan, mode)
    people = People(connection, scope.target, plan)
    for groups in batched(sorted(groups_in_question), GROUPS):
        held = delivered.members(connection, scope.target, groups)
        wanted = {group: _members(edges, group, mode) for group in groups}
        both = (refs for one in held.values() for refs in (one.members, one.given))
        people.learn(set(groups).union(*wanted.values(), *both))
        for group in groups:
            _compare(plan, directory, group, wanted[group], held.get(group) or Membership(set(), set()), people)
        yield


def _touched(connection: Connection, scope: Scope, plan: Plan) -> set[int]:
    """The groups that are different now in themselves, or all of them: with other members, new, gone, or refused in
    part before."""
    here = select(memberships.c.ref).where(memberships.c.directory == scope.directory)
    found = set(plan.moved(Kind.GROUP))
    if scope.since is None:
        held = (
            select(delivered_members.c.ref)
            .join(records, records.c.ref == delivered_members.c.ref)
            .where(delivered_members.c.target == scope.target, records.c.directory == scope.directory)
        )
        return found.union(connection.scalars(here), connection.scalars(held))
    changed = here.where(memberships.c.revision > scope.since)
    failed = here.where(memberships.c.ref.in_(select(retries.c.ref).where(retries.c.target == scope.target)))
    return found.union(connection.scalars(changed), connection.scalars(failed))


def _concerned(edges: Graph, touched: set[int], people: set[int], plan: Plan, mode: MembershipMode) -> set[int]:
    """Also the groups of ``people``, who come or leave; and, flattened, all groups above."""
    containing = edges.containing(people)
    found = touched.union(*containing.values())
    if mode == "flattened":
        return edges.above(found)
    moved = set(plan.moved(Kind.GROUP))
    return found | {group for group, nested in edges.groups.items() if not moved.isdisjoint(nested)}


def _members(edges: Graph, group: int, mode: MembershipMode) -> set[int]:
    if mode == "flattened":
        return edges.flattened(group)
    return {*edges.users.get(group, NOBODY), *edges.groups.get(group, NOBODY)}


def _compare(plan: Plan, directory: str, ref: int, wanted: set[int], held: Membership, people: People) -> None:
    group = people.members.get(ref)
    if group is None:
        return  # The target neither holds it nor will.
    shall = wanted & people.here if ref in people.here else set()
    # Of whom the target was told without an answer, it is told again, whatever it shall be.
    added, removed = shall - (held.members - held.given), (held.members | held.given) - shall
    if removed:
        # A key that was taken over is its new owner's: nothing is to be removed under it.
        keys = {(member.kind, member.key) for member in filter(None, map(people.members.get, shall))}
        removed = {
            other
            for other in removed
            if (member := people.members.get(other)) is not None and (member.kind, member.key) not in keys
        }
    for op, some in ((Op.ADD, added), (Op.REMOVE, removed)):
        for part, refs in enumerate(batched(sorted(some), PART)):
            members = tuple(filter(None, map(people.members.get, refs)))
            change = Change(op, Kind.GROUP, directory, group.id, group.key, members=members)
            plan.add_members(ref, change, array("I", refs), part)
