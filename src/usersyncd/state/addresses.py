"""The objects that a batch refers to as members of groups, read just before the batch is sent: an earlier batch may
have created them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Set

import msgspec
from msgspec import structs

from usersyncd.plugin import Change, Member, Op
from usersyncd.state import links
from usersyncd.state.answers import Answers, CreatedObjects
from usersyncd.state.database import Database
from usersyncd.state.held_members import groups_with
from usersyncd.state.planned import Batch, PlannedChange, PlannedCreates

REMEMBERED = 150_000
"""The largest number of objects in the cache, so that memory stays flat."""


class Addresses:
    """The objects of one target as members, by ref, cached during a delivery."""

    def __init__(self, database: Database, target: int) -> None:
        self._database = database
        self._target = target
        self._known: dict[int, Member] = {}

    @staticmethod
    def are_needed(steps: Batch) -> bool:
        """Whether these steps refer to objects that earlier batches may have created."""
        if isinstance(steps, PlannedCreates):
            return False
        return bool(steps) and (bool(steps[0].members) or steps[0].fallback)

    def learn(self, answers: Answers) -> None:
        """Cache the objects that a batch created, and forget those that it may have moved."""
        if len(self._known) > REMEMBERED:
            return
        if isinstance(answers, CreatedObjects):
            creates = answers.planned.creates
            keys = map(msgspec.json.decode, creates.keys)
            pairs = zip(answers.planned.refs, creates.ids, keys, answers.target_ids, strict=True)
            self._known.update((ref, links.member(creates.kind, id_, key, tid)) for ref, id_, key, tid in pairs)
            return
        for step, outcome in ((answer.step, answer.outcome) for answer in answers):
            change = step.change
            if outcome.target_id is None or change is None or change.members:
                continue
            if change.op is Op.CREATE:
                self._known[step.ref] = links.member(change.kind, change.id, change.key, outcome.target_id)
            else:
                self._known.pop(step.ref, None)

    def addressed(self, steps: Batch, again: set[int]) -> Batch:
        """The steps that can be delivered, with both ends of each membership as the target has them now.

        Memberships whose group or member has no object are left out, and their groups are added to ``again``. A
        fallback step is left out if the object was adopted after all. If a leaver's object was not adopted, the
        leaver's groups are added to ``again``: the plan had passed them to the record that adopts the object.
        """
        if isinstance(steps, PlannedCreates) or not self.are_needed(steps):
            return steps
        if len(self._known) > REMEMBERED:
            self._known.clear()
        absent = self._look_up(steps)
        leavers = {step.ref for step in steps if step.fallback} - absent
        if leavers:
            with self._database.read() as connection:
                again.update(groups_with(connection, self._target, leavers))
        return list(self._deliverable(steps, absent, again))

    def _look_up(self, steps: list[PlannedChange]) -> Set[int]:
        """Cache the objects that are not known yet. Returns the refs of records without an object."""
        wanted = {step.ref for step in steps if step.change is not None}
        wanted.update(*(step.members for step in steps))
        wanted.difference_update(self._known)
        if wanted:
            with self._database.read() as connection:
                self._known.update(links.members(connection, self._target, wanted))
        return wanted.difference(self._known)

    def _deliverable(self, steps: list[PlannedChange], absent: Set[int], again: set[int]) -> Iterator[PlannedChange]:
        for step in steps:
            if step.change is None or step.ref in absent:
                if not step.fallback:
                    again.add(step.ref)
            elif not step.members:
                yield step
            elif absent.isdisjoint(step.members):
                yield self._with_members(step, step.change, step.members)
            else:
                again.add(step.ref)
                if present := [ref for ref in step.members if ref not in absent]:
                    yield self._with_members(step, step.change, array("I", present))

    def _with_members(self, step: PlannedChange, change: Change, refs: array[int]) -> PlannedChange:
        group, members = self._known[step.ref], tuple(map(self._known.__getitem__, refs))
        change = structs.replace(change, key=group.key, target_id=group.target_id, members=members)
        return structs.replace(step, change=change, members=refs)
