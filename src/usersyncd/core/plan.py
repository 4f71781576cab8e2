"""A plan: changes in the order in which they are delivered, their numbers, and a hash that is equal for equal plans."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, IntEnum
from typing import Protocol, TypeVar

from msgspec import Struct

from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Kind, Op, Value


class Section(IntEnum):
    """The order of delivery: what frees a key comes before whoever claims it, whom a membership needs comes before it,
    and removals come last."""

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


_OF_GROUPS = {Op.CREATE: Section.GROUPS_NEW, Op.DELETE: Section.GROUPS_GONE}
_OF_USERS = {Op.CREATE: Section.USERS_NEW, Op.DELETE: Section.USERS_GONE}
_OF_MEMBERS = {Op.ADD: Section.ADDITIONS, Op.REMOVE: Section.REMOVALS}


def section(change: Change, *, left: bool = False) -> Section:
    """Where in the plan a change belongs; ``left``: it is a leaver's."""
    if change.op in _OF_MEMBERS:
        return _OF_MEMBERS[change.op]
    if change.kind is Kind.GROUP:
        return _OF_GROUPS.get(change.op, Section.GROUPS)
    if left and change.op is Op.DEACTIVATE:
        return Section.USERS_LEAVING
    return _OF_USERS.get(change.op, Section.USERS)


def count(counts: Counts, change: Change, times: int | None = None) -> None:
    """Count a change in: a record once, memberships by their edges, or as many ``times`` as said."""
    number = (len(change.members) or 1) if times is None else times
    if change.op is Op.CREATE and change.kind is Kind.USER:
        counts.users.create += number  # By far the most at a first sync, where the general way would be felt.
        return
    part: Struct = counts.memberships
    if not change.members:
        part = counts.users if change.kind is Kind.USER else counts.groups
    setattr(part, change.op, getattr(part, change.op) + number)


class Sorted(Protocol):
    """A change, planned or in the journal."""

    @property
    def op(self) -> str: ...
    @property
    def kind(self) -> str: ...


S = TypeVar("S", bound=Sorted)


class ListedChanges(Enum):
    """Which changes a report lists. ``FIRST``: the first of each sort, so that a few deletions at the end of a plan are
    seen behind a thousand creations."""

    NONE = 0
    FIRST = 10
    ALL = sys.maxsize


def listed(changes: Iterable[S], which: ListedChanges) -> Iterator[S]:
    """The changes that a report lists, in their order."""
    counts = Counter[tuple[str, str]]()
    for change in changes:
        counts[change.op, change.kind] += 1
        if counts[change.op, change.kind] <= which.value:
            yield change


def differences(op: str, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[tuple[str, Value, Value]]:
    """What a change of a record writes otherwise than it was: the attribute with its values before and after.

    An adoption is told with the whole object: a person is to see whose it is. The operations that give or take access
    say what becomes of ``active``. What the rules no longer name is not written.
    """
    for name, new in after.items():
        old = before.get(name)
        told = (old, new) != (None, None) if op == Op.ADOPT else old != new and (name != "active" or op == Op.UPDATE)
        if told:
            yield name, old, new


PREFIX = "sha256:"
"""How hashes begin."""


class Hash:
    """The hash of a plan, over its changes in their order, encoded."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def add(self, change: bytes) -> None:
        self._sha.update(change)

    def __str__(self) -> str:
        return f"{PREFIX}{self._sha.hexdigest()}"
