"""Reads and writes the members that a target holds in its groups."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Set

from msgspec import Struct
from sqlalchemy import Connection, delete, select, update

from usersyncd.core.digest import pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.plugin import Kind
from usersyncd.state import bulk
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.database import among
from usersyncd.state.tables import link_members, links


class HeldMembers(Struct, frozen=True):
    """The members of one group in a target, as sorted refs. ``unanswered``: members that were added or removed without
    an answer; nobody knows whether they are in the group."""

    members: array[int] = NOBODY
    unanswered: array[int] = NOBODY

    def as_sets(self) -> GroupMembers:
        """The same members, to be changed."""
        return GroupMembers(set(self.members), set(self.unanswered))


class GroupMembers(Struct):
    """The members of one group in a target, as sets that can be changed. For many members, :class:`HeldMembers` is
    smaller and faster."""

    members: set[int]
    unanswered: set[int]

    def as_arrays(self) -> HeldMembers:
        """The same members, to be stored."""
        return HeldMembers(array("I", sorted(self.members)), array("I", sorted(self.unanswered)))


_COLUMNS = link_members.c.ref, link_members.c.members, link_members.c.unanswered


def held_members(connection: Connection, target: int, groups: Collection[int]) -> dict[int, HeldMembers]:
    """The members of these groups in a target. Groups that it does not have are left out."""
    query = select(*_COLUMNS).where(
        link_members.c.target == target, among(connection, link_members.c.ref, list(groups))
    )
    return {
        ref: HeldMembers(unpack("I", members), unpack("I", unanswered))
        for ref, members, unanswered in connection.execute(query)
    }


def members_of_object(connection: Connection, target: int, target_id: str) -> list[tuple[Kind, str]]:
    """The objects that are in the group with this target id by the links, each as kind and target id."""
    of_target = links.c.target == target, links.c.target_id.is_not(None)
    group = links.c.kind == NUMBER[Kind.GROUP], links.c.target_id == target_id
    held = held_members(connection, target, list(connection.scalars(select(links.c.ref).where(*of_target, *group))))
    refs = [ref for members in held.values() for ref in members.members]
    query = select(links.c.kind, links.c.target_id).where(*of_target, among(connection, links.c.ref, refs))
    return [(KIND[number], found) for number, found in connection.execute(query)]


def write_members(connection: Connection, target: int, groups: Mapping[int, HeldMembers]) -> None:
    """Store the members of these groups."""
    rows = ((target, ref, pack(group.members), pack(group.unanswered) or None) for ref, group in groups.items())
    bulk.upsert(connection, link_members, ("target", "ref", "members", "unanswered"), rows)


def groups_with(connection: Connection, target: int, refs: Set[int]) -> dict[int, HeldMembers]:
    """The groups of the target that contain one of these records, or may contain it."""
    groups: dict[int, HeldMembers] = {}
    for group, held, open_ in connection.execute(select(*_COLUMNS).where(link_members.c.target == target)):
        both = unpack("I", held), unpack("I", open_)
        if any(not refs.isdisjoint(members) for members in both):
            groups[group] = HeldMembers(*both)
    return groups


def replace_members(connection: Connection, target: int, refs: Mapping[int, int | None]) -> None:
    """Replace each of these records in every group by another record, or remove it (None). If the record is a group,
    the other record gets its members."""
    if not refs:
        return
    replaced = {ref: other for ref, other in refs.items() if other is not None}
    for ref, other in replaced.items():
        here = link_members.c.target == target
        connection.execute(delete(link_members).where(here, link_members.c.ref == other))
        connection.execute(update(link_members).where(here, link_members.c.ref == ref).values(ref=other))
    changed = {
        ref: HeldMembers(_replaced(group.members, refs), _replaced(group.unanswered, refs))
        for ref, group in groups_with(connection, target, refs.keys()).items()
    }
    write_members(connection, target, changed)


def _replaced(members: array[int], refs: Mapping[int, int | None]) -> array[int]:
    return array("I", sorted({new for ref in members if (new := refs.get(ref, ref)) is not None}))
