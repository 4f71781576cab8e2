"""A target in memory, which fails on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from usersyncd.errors import TargetError
from usersyncd.plugin import (
    API,
    DELIVERED,
    Change,
    Kind,
    Op,
    Options,
    Outcome,
    TargetContext,
    Value,
)

Key = tuple[str, str | int]
"""Directory, and key in the target."""

Edge = tuple[str, str | int, Kind, str | int]
"""Directory, the group's key, the member's kind and key."""


@dataclass
class TargetFaults:
    """What goes wrong in the next deliveries, until it is set otherwise."""

    down: bool = False
    """Nothing can be written at all."""
    refuse: set[str] = field(default_factory=set)
    """Ids of records, and texts in attributes, that are refused; a member is refused by its id."""
    die_after: int | None = None
    """The target dies after this many outcomes, counted over all deliveries from now on."""
    die_unseen: bool = False
    """The change at which it dies is written all the same, though never acknowledged."""


@dataclass
class MemoryStore:
    """What the target holds: records by directory and key, and memberships."""

    users: dict[Key, dict[str, Value]] = field(default_factory=dict)
    groups: dict[Key, dict[str, Value]] = field(default_factory=dict)
    memberships: set[Edge] = field(default_factory=set)
    faults: TargetFaults = field(default_factory=TargetFaults)

    def apply(self, change: Change, key: str) -> Outcome:
        """Do one change, which may be repeated; ``key`` is the attribute that identifies records of its kind."""
        texts = {value for value in (change.after or {}).values() if isinstance(value, str)}
        if not self.faults.refuse.isdisjoint({change.id, *texts}):
            return Outcome(error=f"the store refuses the {change.kind} {change.id}")
        if change.op in (Op.ADD, Op.REMOVE):
            return self._connect(change)
        records = self.users if change.kind is Kind.USER else self.groups
        new = change.key if change.after is None else _key(change.after[key])
        if new != change.key and {(change.directory, change.key), (change.directory, new)} <= records.keys():
            return Outcome(error=f"the {key} {new!r} belongs to another {change.kind} of the store")
        held = records.pop((change.directory, change.key), {})
        if change.after is None:
            self.memberships = {edge for edge in self.memberships if not _touches(edge, change)}
        else:
            records[change.directory, new] = held | change.after
        return DELIVERED

    def _connect(self, change: Change) -> Outcome:
        refused = {member.id: "the store refuses it" for member in change.members if member.id in self.faults.refuse}
        edges = {
            (change.directory, change.key, member.kind, member.key)
            for member in change.members
            if member.id not in refused
        }
        self.memberships = self.memberships | edges if change.op is Op.ADD else self.memberships - edges
        return Outcome(refused=refused)


def _touches(edge: Edge, change: Change) -> bool:
    directory, group, kind, member = edge
    return directory == change.directory and (
        (change.kind is Kind.GROUP and group == change.key) or (kind is change.kind and member == change.key)
    )


def _key(value: Value) -> str | int:
    if not isinstance(value, str | int):
        raise TypeError(f"a key is text or a whole number, not {value!r}")
    return value


class MemoryTargetOptions(Options):
    """A target in memory."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Annotated[MemoryStore, WithJsonSchema({"type": "object"})] = Field(description="The store to write to.")


class MemoryTarget:
    """Writes to a :class:`MemoryStore`, with the faults that it asks for."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = MemoryTargetOptions

    def __init__(self, options: MemoryTargetOptions, context: TargetContext) -> None:
        self._store = options.store
        self._context = context

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        self._knock()
        faults = self._store.faults
        for change in changes:
            key = self._context.layouts[change.kind].key
            if faults.die_after == 0:
                if faults.die_unseen:
                    self._store.apply(change, key)
                raise TargetError("the store in memory died", "deliver again")
            outcome = self._store.apply(change, key)
            if faults.die_after is not None:
                faults.die_after -= 1
            yield outcome

    async def check(self) -> Sequence[str]:
        self._knock()
        return [f"in memory: {len(self._store.users)} users, {len(self._store.groups)} groups"]

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _knock(self) -> None:
        if self._store.faults.down:
            raise TargetError("the store in memory is down", "set its faults otherwise")
