"""A plan: changes in the order in which they are delivered, their numbers, and a hash that is equal for equal plans."""

from __future__ import annotations

import hashlib
from enum import IntEnum

import msgspec

from usersyncd.core.report import Counts
from usersyncd.plugin import Change, Kind, Op


class Section(IntEnum):
    """The order of delivery: whom a membership needs comes before it, and removals come last."""

    USERS = 0
    GROUPS = 1
    ADDITIONS = 2
    REMOVALS = 3
    GROUPS_GONE = 4
    USERS_LEAVING = 5
    USERS_GONE = 6


def section(change: Change) -> Section:
    """Where in the plan a change belongs."""
    if change.op is Op.ADD:
        return Section.ADDITIONS
    if change.op is Op.REMOVE:
        return Section.REMOVALS
    if change.kind is Kind.GROUP:
        return Section.GROUPS_GONE if change.op is Op.DELETE else Section.GROUPS
    if change.op is Op.DELETE:
        return Section.USERS_GONE
    return Section.USERS_LEAVING if change.op is Op.DEACTIVATE else Section.USERS


def count(counts: Counts, change: Change, edges: int | None = None) -> None:
    """Count a change in: memberships by their edges (``edges``, when not all of them count)."""
    if change.members:
        number = len(change.members) if edges is None else edges
        setattr(counts.memberships, change.op, getattr(counts.memberships, change.op) + number)
    else:
        part = counts.users if change.kind is Kind.USER else counts.groups
        setattr(part, change.op, getattr(part, change.op) + 1)


class Hash:
    """The hash of a plan, over its changes in their order."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode

    def add(self, change: Change) -> None:
        self._sha.update(self._encode(change))

    def __str__(self) -> str:
        return f"sha256:{self._sha.hexdigest()}"
