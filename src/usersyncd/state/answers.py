"""The answers of a target to the steps that were sent to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from usersyncd.plugin import Change, Op, Outcome
from usersyncd.state.planned import PlannedChange, PlannedCreates


class Answer(Struct, frozen=True, gc=False):
    """A step and the target's answer to it. A step without a change is not sent, and counts as delivered."""

    step: PlannedChange
    outcome: Outcome


class CreatedObjects(Struct, frozen=True):
    """Creates that the target delivered without exception, with the target ids of the objects."""

    planned: PlannedCreates
    target_ids: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.target_ids)

    def answers(self) -> list[Answer]:
        """The same answers one by one."""
        pairs = zip(self.planned.steps(), self.target_ids, strict=True)
        return [Answer(step, Outcome(target_id=target_id)) for step, target_id in pairs]


Answers = CreatedObjects | list[Answer]
"""The answers to one batch."""


def created(planned: PlannedCreates, outcomes: Sequence[Outcome]) -> CreatedObjects | None:
    """The objects that were created; None if the target refused one of them, or reported anything else of it."""
    if any(one.error is not None or one.absent or one.refused or one.gone for one in outcomes):
        return None
    return CreatedObjects(planned, [one.target_id for one in outcomes])


def is_absent(change: Change, outcome: Outcome) -> bool:
    """Whether a change failed because its object does not exist."""
    return outcome.absent and change.op not in (Op.DELETE, Op.DEACTIVATE, Op.REMOVE)


def found_missing(step: PlannedChange, outcome: Outcome) -> Iterator[int]:
    """The refs of the records in a membership change that have no object in the target: its group or its members."""
    if outcome.absent and step.members:
        yield step.ref
    members = step.change.members if step.change is not None and outcome.gone else ()
    yield from (ref for ref, member in zip(step.members, members, strict=False) if member.id in outcome.gone)


def accepted_part(answer: Answer) -> Change | None:
    """The part of a change that the target did not refuse; None if there is none."""
    change, outcome = answer.step.change, answer.outcome
    if change is None or outcome.error is not None or is_absent(change, outcome):
        return None
    if not outcome.refused:
        return change
    members = tuple(member for member in change.members if member.id not in outcome.refused)
    return structs.replace(change, members=members) if members else None


def accepted_members(answer: Answer) -> set[int]:
    """The refs of the members that the target added or removed."""
    change, outcome = answer.step.change, answer.outcome
    if change is None or outcome.error is not None or is_absent(change, outcome):
        return set()
    if not outcome.refused:
        return set(answer.step.members)
    pairs = zip(answer.step.members, change.members, strict=True)
    return {ref for ref, member in pairs if member.id not in outcome.refused}
