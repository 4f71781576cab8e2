"""Where objects are when a batch is sent: an end of a membership may have been created just before."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set

from msgspec import structs

from usersyncd.plugin import Change, Member
from usersyncd.state import links
from usersyncd.state.database import Database
from usersyncd.state.ledger import Answer
from usersyncd.state.plan_store import PlannedChange

REMEMBERED = 150_000
"""How many addresses are remembered at a time, so that memory stays flat."""


class Addresses:
    """The addresses in one target, remembered while memberships are delivered.

    A key is remembered only where it is another one than in the plan: the change of a key may have been refused.
    """

    def __init__(self, database: Database, target: int) -> None:
        self._database = database
        self._target = target
        self._target_ids: dict[int, str | None] = {}
        self._keys: dict[int, str | int] = {}

    @staticmethod
    def concern(steps: Sequence[PlannedChange]) -> bool:
        """Whether these steps depend on what the batches before have brought."""
        return bool(steps) and (bool(steps[0].members) or steps[0].fallback)

    def learn(self, answers: Iterable[Answer]) -> None:
        """Remember the objects that were made just now."""
        if len(self._target_ids) > REMEMBERED:
            return
        for step, outcome in ((answer.step, answer.outcome) for answer in answers):
            if outcome.target_id is not None and step.change is not None and step.change.after is not None:
                self._target_ids[step.ref] = outcome.target_id

    def addressed(self, steps: Sequence[PlannedChange], again: set[int]) -> list[PlannedChange]:
        """The steps with the addresses of all ends of memberships, without what cannot be done: a member that has no
        object, a group that has none (those are noted in ``again``), and what was only meant in case an adoption was
        refused. The groups of a leaver whose object was not adopted are noted too: the plan changed them for the record
        that was to adopt it."""
        if not self.concern(steps):
            return list(steps)
        if len(self._target_ids) > REMEMBERED:
            self._target_ids.clear()
            self._keys.clear()
        absent = self._look_up(steps)
        leavers = {step.ref for step in steps if step.fallback} - absent
        if leavers:
            with self._database.read() as connection:
                again.update(links.with_members(connection, self._target, leavers))
        return list(self._possible(steps, absent, again))

    def _look_up(self, steps: Sequence[PlannedChange]) -> Set[int]:
        """Learn the addresses that are not known yet. The refs of records that have no object."""
        known = self._target_ids
        planned: dict[int, str | int] = {}
        for step in steps:
            if step.change is not None and step.ref not in known:
                planned[step.ref] = step.change.key
            if step.change is not None:
                named = zip(step.members, step.change.members, strict=True)
                planned.update({ref: member.key for ref, member in named if ref not in known})
        if not planned:
            return frozenset()
        with self._database.read() as connection:
            for ref, key, target_id in links.addresses(connection, self._target, planned):
                known[ref] = target_id
                if key != planned[ref]:
                    self._keys[ref] = key
        return planned.keys() - known.keys()

    def _possible(self, steps: Sequence[PlannedChange], absent: Set[int], again: set[int]) -> Iterator[PlannedChange]:
        for step in steps:
            if step.change is None or step.ref in absent:
                if not step.fallback:
                    again.add(step.ref)
            elif not step.members:
                yield step
            elif absent.isdisjoint(step.members):
                yield self._with_members(step, step.change, step.members, step.change.members)
            else:
                again.add(step.ref)
                pairs = zip(step.members, step.change.members, strict=True)
                if there := [(ref, member) for ref, member in pairs if ref not in absent]:
                    refs, members = zip(*there, strict=True)
                    yield self._with_members(step, step.change, array("I", refs), members)

    def _with_members(
        self, step: PlannedChange, change: Change, refs: array[int], members: Sequence[Member]
    ) -> PlannedChange:
        target_ids, keys = self._target_ids, self._keys
        addressed = tuple(
            [
                member
                if member.target_id == target_ids[ref]
                else Member(member.kind, member.id, keys.get(ref, member.key), target_ids[ref])
                for ref, member in zip(refs, members, strict=True)
            ]
        )
        key = keys.get(step.ref, change.key)
        change = structs.replace(change, key=key, target_id=target_ids[step.ref], members=addressed)
        return structs.replace(step, change=change, members=refs)
