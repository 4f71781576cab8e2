"""The content of a target in memory, and the faults that a test switches on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from usersyncd.plugin import Edge, Kind, Value

Key = str | int

_stores = count(1)


@dataclass(frozen=True)
class MemoryObject:
    """A user or group in the store: the attributes that the rules set, and those that only other programs write."""

    directory: str
    key: Key
    attributes: dict[str, Value]
    foreign: dict[str, Value] = field(default_factory=dict)

    @property
    def visible(self) -> dict[str, Value]:
        """All attributes of the object."""
        return self.foreign | self.attributes


@dataclass
class TargetFaults:
    """The faults of the next deliveries, until they are reset."""

    down: bool = False
    """Nothing can be read or written at all."""
    refuse: set[str] = field(default_factory=set)
    """Ids of records and texts in attributes that are refused; members are refused by id."""
    drop: set[str] = field(default_factory=set)
    """Ids of records whose writes are dropped in the store, as a trigger would: they are refused by name."""
    die_after: int | None = None
    """The target fails after this many outcomes, counted over all deliveries from now on."""
    die_unseen: bool = False
    """The change at which it fails is written but never acknowledged."""
    die_before_commit: bool = False
    """A batch is one transaction, and the target fails before its commit: nothing is written."""
    die_after_commit: bool = False
    """A batch is one transaction, and the target fails after its commit: everything is written, nothing
    acknowledged."""


@dataclass
class MemoryStore:
    """The content of the target: objects by target id, and memberships. A target id is never reused."""

    identity: str = field(default_factory=lambda: f"memory {next(_stores)}")
    users: dict[str, MemoryObject] = field(default_factory=dict)
    groups: dict[str, MemoryObject] = field(default_factory=dict)
    memberships: set[Edge] = field(default_factory=set)
    faults: TargetFaults = field(default_factory=TargetFaults)
    places: dict[Kind, str] = field(default_factory=dict)
    """The place of each kind's objects, if another store shares them."""
    serial: int = 0
    """The number in the last assigned target id."""

    def objects(self, kind: Kind) -> dict[str, MemoryObject]:
        """The users or the groups."""
        return self.users if kind is Kind.USER else self.groups

    def insert(self, kind: Kind, made: MemoryObject) -> str:
        """Insert an object, and return its target id."""
        self.serial += 1
        target_id = f"m{self.serial}"
        self.objects(kind)[target_id] = made
        return target_id

    def delete(self, kind: Kind, target_id: str) -> None:
        """Delete an object with its memberships."""
        self.objects(kind).pop(target_id, None)
        self.memberships = {
            (group, member_kind, member)
            for group, member_kind, member in self.memberships
            if (kind, target_id) not in ((Kind.GROUP, group), (member_kind, member))
        }
