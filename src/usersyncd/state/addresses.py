"""Keys and target ids of the objects that a batch refers to, read just before the batch is sent: an earlier batch may
have created the objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence, Set

from msgspec import structs

from usersyncd.plugin import Change, Member
from usersyncd.state import links
from usersyncd.state.answers import Answers, CreatedObjects
from usersyncd.state.database import Database
from usersyncd.state.held_members import groups_with
from usersyncd.state.planned import Batch, PlannedChange, PlannedCreates

REMEMBERED = 150_000
"""The largest number of addresses in the cache, so that memory stays flat."""


class Addresses:
    """The addresses of objects in one target, cached during a delivery.

    A key is cached only if it differs from the key in the plan: the target may have refused to change it.
    """

    def __init__(self, database: Database, target: int) -> None:
        self._database = database
        self._target = target
        self._target_ids: dict[int, str | None] = {}
        self._keys: dict[int, str | int] = {}

    @staticmethod
    def are_needed(steps: Batch) -> bool:
        """Whether these steps refer to objects that earlier batches may have created."""
        if isinstance(steps, PlannedCreates):
            return False
        return bool(steps) and (bool(steps[0].members) or steps[0].fallback)

    def learn(self, answers: Answers) -> None:
        """Cache the target ids of the objects that a batch created."""
        if len(self._target_ids) > REMEMBERED:
            return
        if isinstance(answers, CreatedObjects):
            self._target_ids.update(zip(answers.planned.refs, answers.target_ids, strict=True))
            return
        for step, outcome in ((answer.step, answer.outcome) for answer in answers):
            if outcome.target_id is not None and step.change is not None and step.change.after is not None:
                self._target_ids[step.ref] = outcome.target_id

    def addressed(self, steps: Batch, again: set[int]) -> Batch:
        """The steps that can be delivered, with the addresses of both ends of each membership.

        Memberships whose group or member has no object are left out, and their groups are added to ``again``. A
        fallback step is left out if the object was adopted after all. If a leaver's object was not adopted, the
        leaver's groups are added to ``again``: the plan had passed them to the record that adopts the object.
        """
        if isinstance(steps, PlannedCreates) or not self.are_needed(steps):
            return steps
        if len(self._target_ids) > REMEMBERED:
            self._target_ids.clear()
            self._keys.clear()
        absent = self._look_up(steps)
        leavers = {step.ref for step in steps if step.fallback} - absent
        if leavers:
            with self._database.read() as connection:
                again.update(groups_with(connection, self._target, leavers))
        return list(self._deliverable(steps, absent, again))

    def _look_up(self, steps: Sequence[PlannedChange]) -> Set[int]:
        """Cache the addresses that are not known yet. Returns the refs of records without an object."""
        known = self._target_ids
        planned: dict[int, str | int] = {}
        for step in steps:
            if step.change is not None and step.ref not in known:
                planned[step.ref] = step.change.key
            if step.change is not None:
                pairs = zip(step.members, step.change.members, strict=True)
                planned.update({ref: member.key for ref, member in pairs if ref not in known})
        if not planned:
            return frozenset()
        with self._database.read() as connection:
            for ref, key, target_id in links.addresses(connection, self._target, planned):
                known[ref] = target_id
                if key != planned[ref]:
                    self._keys[ref] = key
        return planned.keys() - known.keys()

    def _deliverable(
        self, steps: Sequence[PlannedChange], absent: Set[int], again: set[int]
    ) -> Iterator[PlannedChange]:
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
                if present := [(ref, member) for ref, member in pairs if ref not in absent]:
                    refs, members = zip(*present, strict=True)
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
