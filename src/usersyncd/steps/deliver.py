"""Step six, deliver: give the target the plan, batch by batch, and write down what it acknowledged."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from msgspec import Struct, field, structs

from usersyncd.core.plan import count
from usersyncd.core.report import Counts, Failed
from usersyncd.errors import TargetError
from usersyncd.plugin import DELIVERED, Change, Kind, Layout, Op, Outcome, Target, Value
from usersyncd.state.acknowledge import Acknowledger, Answer
from usersyncd.state.planned import Plan, Planned

CHANGES = 2_000
"""How many changes a batch has at the most,"""
EDGES = 20_000
"""and how many memberships."""


class Outcomes(Struct):
    """What became of a plan, as far as it was delivered. ``again`` are the refs of what is to be tried again."""

    layouts: Mapping[Kind, Layout]
    counts: Counts = field(default_factory=Counts)
    failed: list[Failed] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    missing: set[int] = field(default_factory=set)
    """Refs of records that the target does not hold as planned: nothing can refer to them by their new key."""

    def fail(self, ref: int, kind: Kind, id_: str, error: str) -> None:
        """Something was refused, and is tried again with the record ``ref``."""
        self.failed.append(Failed(kind, id_, error))
        self.again.add(ref)


async def deliver(
    target: Target, plan: Plan, acknowledger: Acknowledger, outcomes: Outcomes, tick: Callable[[int], None]
) -> None:
    """Deliver the whole plan, and note in ``outcomes`` what became of it.

    While the target works on one batch, its answers to the one before are written down, and that it will be given the
    next one. Raises TargetError when the target as a whole cannot be written, StateError when the state cannot.
    """
    batches = plan.batches(CHANGES, EDGES)
    answers: list[Answer] = []
    steps = next(batches, [])
    await _written(acknowledger, answers, steps)
    while steps:
        following = next(batches, [])
        writing = asyncio.create_task(_written(acknowledger, answers, following))
        steps = [step for step in (_possible(step, outcomes) for step in steps) if step is not None]
        answered: list[Outcome] = []
        try:
            await _give(target, [step.change for step in steps if step.change is not None], answered)
        except BaseException:
            await writing
            await _written(acknowledger, list(_answers(steps, answered, outcomes)), [])
            raise
        await writing
        answers = list(_answers(steps, answered, outcomes))
        tick(len(steps))
        steps = following
    await _written(acknowledger, answers, [])


async def _written(acknowledger: Acknowledger, answers: Sequence[Answer], given: Sequence[Planned]) -> None:
    """Write in a thread of its own, and to the end, whatever happens here meanwhile."""
    await asyncio.shield(asyncio.to_thread(acknowledger.write, answers, given))


async def _give(target: Target, changes: Sequence[Change], answered: list[Outcome]) -> None:
    if not changes:
        return
    async with aclosing(cast("Any", target.deliver(changes))) as answers:
        async for outcome in answers:
            answered.append(outcome)  # noqa: PERF401 - what came before an error counts
    if len(answered) != len(changes):
        raise TargetError(
            f"the connector answered {len(answered)} of {len(changes)} changes",
            "this is a fault of the connector: report it to its author",
        )


def _possible(step: Planned, outcomes: Outcomes) -> Planned | None:
    """The step without what cannot be done any more: memberships of records that were refused before."""
    change = step.change
    if change is None or change.op is not Op.ADD:
        return step
    if step.ref in outcomes.missing:
        return None
    if outcomes.missing.isdisjoint(step.members):
        return step
    outcomes.again.add(step.ref)
    kept = [place for place, ref in enumerate(step.members) if ref not in outcomes.missing]
    if not kept:
        return None
    members = tuple(change.members[place] for place in kept)
    return structs.replace(
        step,
        change=structs.replace(change, members=members),
        members=array("I", (step.members[place] for place in kept)),
    )


def _answers(steps: Sequence[Planned], answered: Sequence[Outcome], outcomes: Outcomes) -> Iterator[Answer]:
    """What the target answered to each step, as far as it did; counted, and failures noted by name."""
    left = iter(answered)
    for step in steps:
        change = step.change
        outcome = DELIVERED if change is None else next(left, None)
        if outcome is None:
            return
        if change is None:
            yield Answer(step, outcome)
        elif outcome.error is not None:
            outcomes.fail(step.ref, change.kind, change.id, outcome.error)
            yield Answer(step, outcome)
            if change.op is Op.CREATE or _new_key(change, outcomes.layouts[change.kind]) != change.key:
                outcomes.missing.add(step.ref)
        else:
            refused = [member for member in change.members if member.id in outcome.refused] if outcome.refused else []
            for member in refused:
                reason = f"as a member of group {change.id}: {outcome.refused[member.id]}"
                outcomes.fail(step.ref, member.kind, member.id, reason)
            count(outcomes.counts, change, times=(len(change.members) or 1) - len(refused))
            yield Answer(step, outcome)


def _new_key(change: Change, layout: Layout) -> Value:
    return change.key if change.after is None else change.after[layout.key]
