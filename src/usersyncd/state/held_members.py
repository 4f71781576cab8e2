"""Reads and writes the members that a target holds in its groups, and finds the groups whose members a plan compares
completely."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping

from msgspec import Struct
from sqlalchemy import Connection, select

from usersyncd.core.digest import pack, unpack
from usersyncd.core.graph import NOBODY
from usersyncd.state import bulk
from usersyncd.state.candidates import Selection
from usersyncd.state.database import among
from usersyncd.state.tables import link_members, memberships, records, retries


class HeldMembers(Struct, frozen=True):
    """The members of one group in a target, as sorted refs. ``unanswered``: members that were added or removed without
    an answer; nobody knows whether they are in the group."""

    members: array[int] = NOBODY
    unanswered: array[int] = NOBODY


def held_members(connection: Connection, target: int, groups: Collection[int]) -> dict[int, HeldMembers]:
    """The members of these groups in a target. Groups that it does not have are left out."""
    query = select(link_members.c.ref, link_members.c.members, link_members.c.unanswered).where(
        link_members.c.target == target, among(connection, link_members.c.ref, list(groups))
    )
    return {
        ref: HeldMembers(unpack("I", members), unpack("I", unanswered))
        for ref, members, unanswered in connection.execute(query)
    }


def write_members(connection: Connection, target: int, groups: Mapping[int, HeldMembers]) -> None:
    """Store the members of these groups."""
    rows = ((target, ref, pack(group.members), pack(group.unanswered) or None) for ref, group in groups.items())
    bulk.upsert(connection, link_members, ("target", "ref", "members", "unanswered"), rows)


def all_groups(connection: Connection, selection: Selection) -> set[int]:
    """All groups that have members in the directory or in the target."""
    here = select(memberships.c.ref).where(memberships.c.directory == selection.directory)
    held = (
        select(link_members.c.ref)
        .join(records, records.c.ref == link_members.c.ref)
        .where(link_members.c.target == selection.target, records.c.directory == selection.directory)
    )
    return {*connection.scalars(here), *connection.scalars(held)}


def retried_groups(connection: Connection, selection: Selection) -> set[int]:
    """The groups that failed in the last delivery."""
    query = select(memberships.c.ref).join(retries, retries.c.ref == memberships.c.ref)
    of_share = memberships.c.directory == selection.directory, retries.c.target == selection.target
    return set(connection.scalars(query.where(*of_share)))
