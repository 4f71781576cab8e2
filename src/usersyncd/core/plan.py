"""A plan: changes in the order in which they are delivered, their numbers, and a hash that is equal for equal plans."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from enum import IntEnum

from msgspec import Struct

from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Kind, Op, Value


class Section(IntEnum):
    """The order of delivery: a change that frees a key comes before the one that claims it, a record comes before its
    memberships, and removals come last."""

    USERS_FREED = 0
    GROUPS_FREED = 1
    USERS = 2
    USERS_NEW = 3
    GROUPS = 4
    GROUPS_NEW = 5
    ADDITIONS = 6
    REMOVALS = 7
    GROUPS_GONE = 8
    USERS_LEAVING = 9
    USERS_GONE = 10


_USERS = frozenset({Section.USERS_FREED, Section.USERS, Section.USERS_NEW, Section.USERS_LEAVING, Section.USERS_GONE})
_OF_GROUPS = {Op.CREATE: Section.GROUPS_NEW, Op.DELETE: Section.GROUPS_GONE}
_OF_USERS = {Op.CREATE: Section.USERS_NEW, Op.DELETE: Section.USERS_GONE}
_OF_MEMBERS = {Op.ADD: Section.ADDITIONS, Op.REMOVE: Section.REMOVALS}


def section(change: Change, *, left: bool = False) -> Section:
    """The section of a change. ``left``: its record is a leaver."""
    if change.op in _OF_MEMBERS:
        return _OF_MEMBERS[change.op]
    if change.kind is Kind.GROUP:
        return _OF_GROUPS.get(change.op, Section.GROUPS)
    if left and change.op is Op.DEACTIVATE:
        return Section.USERS_LEAVING
    return _OF_USERS.get(change.op, Section.USERS)


def kind_of(section: Section) -> Kind:
    """The kind of the objects that the changes of a section are about."""
    return Kind.USER if section in _USERS else Kind.GROUP


def count(counts: Counts, change: Change, times: int | None = None) -> None:
    """Add a change to the counts: once for a record, once for each membership, or as many ``times`` as given."""
    number = (len(change.members) or 1) if times is None else times
    part: Struct = counts.memberships
    if not change.members:
        part = counts.users if change.kind is Kind.USER else counts.groups
    setattr(part, change.op, getattr(part, change.op) + number)


def count_creates(counts: Counts, kind: Kind, number: int) -> None:
    """Add many creates to the counts."""
    part = counts.users if kind is Kind.USER else counts.groups
    part.create += number


def differences(op: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[tuple[str, Value, Value]]:
    """The attributes that a change writes, each with its values before and after.

    For an adoption these are all attributes, so that a person can see whose object it is. ``active`` is left out where
    the operation itself says how access changes. Attributes that the rules no longer name are not written.
    """
    for name, new in after.items():
        old = before.get(name)
        if op == Op.ADOPT:
            is_shown = (old, new) != (None, None)
        else:
            is_shown = old != new and (name != "active" or op == Op.UPDATE)
        if is_shown:
            yield name, old, new


PREFIX = "sha256:"
"""The beginning of every hash."""


class Hash:
    """The hash of a plan, over its encoded changes in their order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, change: bytes) -> None:
        self._sha.update(change)

    def __str__(self) -> str:
        return f"{PREFIX}{self._sha.hexdigest()}"
