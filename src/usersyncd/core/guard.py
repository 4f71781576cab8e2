"""The guard: limits that a plan must keep, in percent of what is delivered or as a number of objects."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Counts, Passed


class Holdings(Struct, frozen=True):
    """How much of one directory a target holds, as far as was acknowledged: active users, all users, groups, edges."""

    active: int
    users: int
    groups: int
    memberships: int


def passed(guard: Guard, counts: Counts, holdings: Holdings, adoptions: int) -> list[Passed]:
    """The limits that a plan passes: none, and it may be delivered. ``adoptions``: those of its adoptions that count.

    Users and groups are held against their own numbers, so that all groups cannot go unnoticed among many users.
    """
    return list(_passed(guard, counts, holdings, adoptions))


def _passed(guard: Guard, counts: Counts, holdings: Holdings, adoptions: int) -> Iterator[Passed]:
    for name, limit, count, of in (
        ("deletes", guard.deletes, counts.users.delete, holdings.users),
        ("deletes", guard.deletes, counts.groups.delete, holdings.groups),
        ("deactivations", guard.deactivations, counts.users.deactivate, holdings.active),
        ("member_removals", guard.member_removals, counts.memberships.remove, holdings.memberships),
        ("adoptions", guard.adoptions, adoptions, holdings.users + holdings.groups),
    ):
        if count >= max(guard.at_least, 1) and _exceeds(limit, count, of):
            yield Passed(limit=name, allowed=str(limit), found=f"{100 * count / max(of, 1):.0f}% ({count} of {of})")


def _exceeds(limit: Limit, count: int, of: int) -> bool:
    return count * 100 > limit.amount * of if limit.percent else count > limit.amount
