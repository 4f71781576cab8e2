"""A target in memory, with faults on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from usersyncd.errors import TargetError
from usersyncd.plugin import (
    API,
    DELIVERED,
    PROTECTED,
    Capabilities,
    Change,
    Edge,
    Held,
    Kind,
    Lookup,
    Member,
    Op,
    Options,
    Outcome,
    TargetContext,
    Value,
    holds_protected,
)
from usersyncd.testing.memory_store import Key, MemoryObject, MemoryStore

Place = tuple[Kind, str, Key]
"""The scope in which a key is unique, and the key: kind, directory ("" where all directories share the keys), key."""

EDGES = (Op.ADD, Op.REMOVE)


class MemoryTargetOptions(Options):
    """A target in memory."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    store: Annotated[MemoryStore, WithJsonSchema({"type": "object"})] = Field(description="The store to write to.")


class MemoryTarget:
    """Writes to a :class:`MemoryStore`, with its faults."""

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = MemoryTargetOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        rename=True, list=True, members=True, count=True, places=True, ids=True
    )

    def __init__(self, options: MemoryTargetOptions, context: TargetContext) -> None:
        self._store = options.store
        self._context = context

    async def identity(self) -> str:
        self._raise_if_down()
        return self._store.identity

    async def places(self) -> Mapping[Kind, str]:
        self._raise_if_down()
        return dict.fromkeys(Kind, self._store.identity) | self._store.places

    async def prepare(self) -> None:
        self._raise_if_down()

    async def find(self, kind: Kind, lookups: Sequence[Lookup]) -> AsyncIterator[tuple[Lookup, Held]]:
        self._raise_if_down()
        holders = self._holders()
        for lookup in lookups:
            target_id = holders.get(self._place(kind, lookup.directory, lookup.key))
            if target_id is not None:
                yield lookup, self._held(kind, target_id)

    async def read(self, kind: Kind, target_ids: Sequence[str]) -> AsyncIterator[Held]:
        self._raise_if_down()
        for target_id in target_ids:
            if target_id in self._store.objects(kind):
                yield self._held(kind, target_id)

    async def members(self, groups: Sequence[str]) -> AsyncIterator[Sequence[Edge]]:
        self._raise_if_down()
        yield [edge for edge in self._store.memberships if edge[0] in groups]

    async def count(self, kind: Kind, directory: str) -> int | None:
        self._raise_if_down()
        if self._context.layouts[kind].ruled:
            return None
        return sum(held.directory == directory for held in self._store.objects(kind).values())

    async def ids(self, kind: Kind, directory: str) -> AsyncIterator[Sequence[str]]:
        self._raise_if_down()
        yield [str(held.key) for held in self._store.objects(kind).values() if held.directory == directory]

    async def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        self._raise_if_down()
        changes = [self._kept(change) for change in changes]
        faults = self._store.faults
        if faults.die_before_commit:
            self._die()
        dependent = self._dependent(changes)
        outcomes: dict[int, Outcome] = {}
        if faults.die_after_commit:
            for position in range(len(changes)):
                self._apply(changes, dependent[position], outcomes)
            self._die()
        for position in range(len(changes)):
            if faults.die_after == 0:
                if faults.die_unseen:
                    self._apply(changes, dependent[position], outcomes)
                self._die()
            self._apply(changes, dependent[position], outcomes)
            if faults.die_after is not None:
                faults.die_after -= 1
            yield outcomes[position]

    async def rename(
        self,
        old: str,
        new: str,
        target_ids: Mapping[Kind, Sequence[str]],  # noqa: ARG002 - they stay
    ) -> Mapping[Kind, Mapping[str, str]]:
        """Target ids of the store do not contain the directory, so they do not change."""
        self._raise_if_down()
        if self._store.faults.die_before_commit:
            self._die()
        for kind in Kind:
            objects = self._store.objects(kind)
            objects.update(
                {key: replace(held, directory=new) for key, held in objects.items() if held.directory == old}
            )
        if self._store.faults.die_after_commit:
            self._die()
        return {}

    async def check(self) -> Sequence[str]:
        self._raise_if_down()
        return [f"in memory: {len(self._store.users)} users, {len(self._store.groups)} groups"]

    async def close(self) -> None:
        """There is nothing to close."""

    # ---- what fails

    def _raise_if_down(self) -> None:
        if self._store.faults.down:
            raise TargetError("the store in memory is down", "reset its faults")

    @staticmethod
    def _die() -> None:
        raise TargetError("the store in memory failed", "deliver again")

    # ---- keys

    def _place(self, kind: Kind, directory: str, key: Key) -> Place:
        return kind, "" if self._context.layouts[kind].ruled else directory, key

    def _holders(self) -> dict[Place, str]:
        """Target ids by their current keys."""
        return {
            self._place(kind, held.directory, held.key): target_id
            for kind in Kind
            for target_id, held in self._store.objects(kind).items()
        }

    def _claim(self, change: Change) -> Place | None:
        """The key that an object has after this change."""
        if change.after is None:
            return None
        return self._place(change.kind, change.directory, self._key(change))

    def _key(self, change: Change) -> Key:
        """The key after the change; a leaver's shape may come from earlier rules and lack the key."""
        return _key((change.after or {}).get(self._context.layouts[change.kind].key, change.key))

    def _kept(self, change: Change) -> Change:
        """A change that only deactivates keeps the current key: a key conflict must not keep a leaver active."""
        held = self._store.objects(change.kind).get(change.target_id or "")
        before, after = change.before or {}, change.after or {}
        if held is None or change.op is not Op.DEACTIVATE or before | {"active": False} != after:
            return change
        name = self._context.layouts[change.kind].key
        return structs.replace(change, key=held.key, after={**after, name: held.key} if name in after else after)

    # ---- a batch

    def _dependent(self, changes: Sequence[Change]) -> list[list[int]]:
        """For each change the group of changes (including itself) whose keys depend on each other: a group is written
        together."""
        dependent = [[position] for position in range(len(changes))]
        owners = {
            _object(change): position
            for position, change in enumerate(changes)
            if change.op not in EDGES and change.target_id is not None
        }
        claimed: dict[Place, int] = {}
        holders = self._holders()
        for position, change in enumerate(changes):
            place = self._claim(change)
            if place is None:
                continue
            others = (claimed.setdefault(place, position), owners.get((change.kind, holders.get(place)), position))
            for other in others:
                _join(dependent, position, other)
        return dependent

    def _apply(self, changes: Sequence[Change], positions: Sequence[int], outcomes: dict[int, Outcome]) -> None:
        """Write the changes of a group that is not written yet. A change whose key would belong to two objects is
        refused."""
        if positions[0] in outcomes:
            return
        found = {position: self._refusal(changes[position]) for position in positions}
        accepted = [position for position in positions if found[position] is None]
        while (loser := self._collision(changes, accepted)) is not None:
            accepted.remove(loser)
            found[loser] = _taken(changes[loser], self._context.layouts[changes[loser].kind].key)
        for position in sorted(accepted, key=lambda position: changes[position].op is not Op.DELETE):
            found[position] = self._write(changes[position])
        outcomes.update({position: outcome or DELIVERED for position, outcome in found.items()})

    def _refusal(self, change: Change) -> Outcome | None:
        """Why a change is refused independent of the others, or that its object is absent."""
        faults = self._store.faults
        texts = {value for value in (change.after or {}).values() if isinstance(value, str)}
        if not faults.refuse.isdisjoint({change.id, *texts}):
            return Outcome(error=f"the store refuses the {change.kind} {change.id}")
        if change.id in faults.drop:
            return Outcome(error=f"the {change.kind} {change.id} was not written: the store drops the write")
        if change.op is Op.CREATE:
            return None
        held = self._store.objects(change.kind).get(change.target_id or "")
        if held is None:
            return Outcome(absent=True)
        member = self._protected_member(change.kind, change.target_id or "") if change.op is Op.DELETE else None
        if member is not None:
            return Outcome(error=holds_protected(self._context.layouts[Kind.USER].key, member))
        return Outcome(error=PROTECTED) if self._protected(change.kind, held) else None

    def _collision(self, changes: Sequence[Change], accepted: Sequence[int]) -> int | None:
        """The first change whose key another object would have too, if all of these were written."""
        leaving = {_object(changes[position]) for position in accepted if changes[position].op not in EDGES}
        taken = {place for place, target_id in self._holders().items() if (place[0], target_id) not in leaving}
        for position in sorted(accepted, key=lambda position: changes[position].op is Op.CREATE):
            place = self._claim(changes[position])
            if place is None:
                continue
            if place in taken:
                return position
            taken.add(place)
        return None

    def _write(self, change: Change) -> Outcome:
        if change.op in EDGES:
            return self._connect(change)
        objects = self._store.objects(change.kind)
        if change.after is None:
            self._store.delete(change.kind, change.target_id or "")
            return DELIVERED
        key = self._key(change)
        if change.op is Op.CREATE:
            made = MemoryObject(change.directory, key, dict(change.after))
            return Outcome(target_id=self._store.insert(change.kind, made))
        target_id = change.target_id or ""
        held = objects[target_id]
        attributes = held.attributes | change.after
        objects[target_id] = replace(held, directory=change.directory, key=key, attributes=attributes)
        return Outcome(target_id=target_id) if change.op is Op.ADOPT else DELIVERED

    def _connect(self, change: Change) -> Outcome:
        refused = dict(self._refused(change))
        edges = {
            (change.target_id or "", member.kind, member.target_id or "")
            for member in change.members
            if member.id not in refused
        }
        memberships = self._store.memberships
        self._store.memberships = memberships | edges if change.op is Op.ADD else memberships - edges
        gone = frozenset(member.id for member in change.members if change.op is Op.ADD and self._member(member) is None)
        return Outcome(refused=refused, gone=gone & refused.keys())

    def _refused(self, change: Change) -> Iterator[tuple[str, str]]:
        for member in change.members:
            held = self._member(member)
            if member.id in self._store.faults.refuse:
                yield member.id, "the store refuses it"
            elif held is None and change.op is Op.ADD:
                yield member.id, f"there is no {member.kind} {member.target_id} in the store"
            elif held is not None and self._protected(member.kind, held):
                yield member.id, PROTECTED

    def _member(self, member: Member) -> MemoryObject | None:
        return self._store.objects(member.kind).get(member.target_id or "")

    # ---- objects

    def _held(self, kind: Kind, target_id: str) -> Held:
        held = self._store.objects(kind)[target_id]
        record = None if self._context.layouts[kind].ruled else (held.directory, str(held.key))
        member = self._protected_member(kind, target_id)
        return Held(target_id, held.key, held.visible, record, protected_member=member)

    def _protected_member(self, kind: Kind, target_id: str) -> Key | None:
        """The key of a protected user in this group."""
        if kind is not Kind.GROUP or not self._context.protects(Kind.USER):
            return None
        users = [member for group, of, member in self._store.memberships if group == target_id and of is Kind.USER]
        held = (self._store.users[user] for user in sorted(users))
        return next((one.key for one in held if self._protected(Kind.USER, one)), None)

    def _protected(self, kind: Kind, held: MemoryObject) -> bool:
        return self._context.protected(kind, held.key, held.visible)

    async def list(self, kind: Kind) -> AsyncIterator[Held]:
        self._raise_if_down()
        for target_id in self._store.objects(kind):
            yield self._held(kind, target_id)


class MemoryTargetBlind(MemoryTarget):
    """A target without ``find`` and ``read``: a create of an existing object takes it over."""

    capabilities: ClassVar[Capabilities] = Capabilities(find=None, read=False, rename=True)

    def deliver(self, changes: Sequence[Change]) -> AsyncIterator[Outcome]:
        holders = self._holders()
        for change in changes:
            holders = {place: held for place, held in holders.items() if (place[0], held) != _object(change)}
        return super().deliver([self._known(change, holders) for change in changes])

    def _known(self, change: Change, holders: Mapping[Place, str]) -> Change:
        """A create of an object that exists, and stays, becomes an adoption."""
        place = self._claim(change)
        if change.op is not Op.CREATE or place is None or place not in holders:
            return change
        return Change(
            Op.ADOPT, change.kind, change.directory, change.id, change.key, change.before, change.after,
            target_id=holders[place],
        )  # fmt: skip


def _object(change: Change) -> tuple[Kind, str | None]:
    return change.kind, change.target_id


def _join(dependent: list[list[int]], one: int, other: int) -> None:
    if dependent[one] is not dependent[other]:
        joined = sorted(dependent[one] + dependent[other])
        for position in joined:
            dependent[position] = joined


def _taken(change: Change, attribute: str) -> Outcome:
    key = (change.after or {}).get(attribute)
    return Outcome(error=f"the {attribute} {key!r} belongs to another {change.kind} of the store")


def _key(value: Value) -> Key:
    if not isinstance(value, str | int):
        raise TypeError(f"a key is text or a whole number, not {value!r}")
    return value
