"""Step six, deliver: send the plan to the target in batches, and store what it acknowledged."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from msgspec import Struct, field

from usersyncd.blocking import to_its_end
from usersyncd.core.plan import count, count_creates
from usersyncd.core.quarantine import PROBE, refuses_most
from usersyncd.core.report import MAX_FAILURES, Counts, Failed
from usersyncd.deliver.ownership import Ownership
from usersyncd.deliver.share import SharePlan, TargetPlan
from usersyncd.deliver.work import Work
from usersyncd.errors import TargetError, in_short
from usersyncd.plugin import DELIVERED, Change, Kind, Op, Outcome, Target
from usersyncd.state import moments, progress_store, quarantine
from usersyncd.state.addresses import Addresses
from usersyncd.state.answers import Answer, Answers, CreatedObjects, created, found_missing, is_absent
from usersyncd.state.ledger import Ledger
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.planned import Batch, PlannedChange, PlannedCreates
from usersyncd.state.quarantine import Quarantine

CHANGES = 2_000
"""The largest number of changes in a batch."""
CREATES = 5_000
"""The largest number of creates in a batch of columns, for a target that looks thousands up with one query: if they are
not answered, all are looked up."""
EDGES = 20_000
"""The largest number of memberships in a batch."""
MISSING = "its object is no longer in the target: the next run creates it"
TAKING = (Op.DEACTIVATE, Op.DELETE, Op.REMOVE)
"""Changes that take access away."""


class QuarantineError(TargetError):
    """A quarantined target refused the changes that it was tried with."""

    code = "quarantine"


class Outcomes(Struct):
    """The results of sending a plan so far: counts and failures by directory, and the refs to try ``again``.
    ``refused``: the refs that the target refused, which wait before they are tried again. ``missing``: the target
    lacked objects of links; the next plan creates them."""

    counts: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    failed: defaultdict[str, list[Failed]] = field(default_factory=lambda: defaultdict(list))
    again: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    sent: int = 0
    """Changes that the target answered, and how many of them it refused."""
    rejected: int = 0
    tried: int = 0
    """Changes that a quarantined target was tried with, if it refused all of them."""
    missing: bool = False

    def fail(self, directory: str, ref: int, kind: Kind, id_: str, error: str) -> None:
        """Note a failure. The next plan tries the record ``ref`` again."""
        self.failed[directory].append(Failed(kind, id_, in_short(error)))
        self.again.add(ref)

    def refuse(self, directory: str, ref: int, kind: Kind, id_: str, error: str) -> None:
        """Note a refusal by the target. The record ``ref`` waits before it is tried again."""
        self.failed[directory].append(Failed(kind, id_, in_short(error)))
        self.refused.add(ref)
        self.rejected += 1


async def send_plan(work: Work, target: Target, plan: TargetPlan, ledger: Ledger) -> bool:
    """Send a plan and store the target's progress. Returns whether the target lacked objects of links.

    Raises TargetError if the target as a whole cannot be written, StateError if the state database cannot.
    """
    parts = {name: part for name, part in plan.shares.items() if part.is_delivered}
    outcomes = Outcomes(defaultdict(Counts, {name: work.reports[name].counts for name in parts}))
    addresses = Addresses(work.database, work.number)
    quarantined = await work.ask(lambda connection: quarantine.load(connection, work.number))
    await to_its_end(lambda: _begin(work, plan, parts.values()))
    work.progress.begin("delivering", len(plan.store))
    try:
        await send(
            target, plan.store, ledger, addresses, Ownership(work.database, work.number), outcomes,
            work.progress.advance, probe=quarantined is not None,
        )  # fmt: skip
    except QuarantineError:
        await to_its_end(lambda: _postpone(work))
        raise
    except TargetError:
        if 0 < outcomes.sent == outcomes.rejected:
            reason = f"it refused all of {outcomes.sent} changes, and the delivery ended early"
            await to_its_end(lambda: _quarantine(work, reason))
        raise
    finally:
        for name, part in parts.items():
            report, failed = work.reports[name], part.failed + outcomes.failed[name]
            report.counts, report.entries = outcomes.counts[name], ledger.entries[name]
            report.failed, report.failures = failed[:MAX_FAILURES], len(failed)
    again = plan.again | outcomes.again | ledger.displaced
    await to_its_end(lambda: _finish(work, plan.store, parts, again, outcomes.refused - again))
    await to_its_end(lambda: _judge(work, outcomes, quarantined))
    return outcomes.missing


def _finish(
    work: Work, plan: PlanStore, parts: Mapping[str, SharePlan], again: Iterable[int], refused: Iterable[int]
) -> None:
    """Store the target's progress, and until when the delivered shapes hold."""
    reached = {part.share.directory.id: part.reached for part in parts.values()}
    with work.database.write() as connection:
        waiting = progress_store.waiting(connection, work.number, work.now)
        progress_store.retry(connection, work.number, (ref for ref, _ in plan.changes_of(waiting)))
        progress_store.finish(connection, work.number, reached, again, refused, work.now)
        for name, part in parts.items():
            everything = part.is_whole or not part.share.rules.rules.reads.time
            since = None if everything or part.done is None else part.done.revision
            moments.replace(connection, work.number, part.share.directory.id, plan.shaped(name), since)


def _judge(work: Work, outcomes: Outcomes, quarantined: Quarantine | None) -> None:
    """Quarantine a target that refused most of a delivery, and end the quarantine of one that took something."""
    if refuses_most(outcomes.sent, outcomes.rejected):
        _quarantine(work, f"it refused {outcomes.rejected} of {outcomes.sent} changes")
    elif quarantined is not None and outcomes.sent > outcomes.rejected:
        with work.database.write() as connection:
            quarantine.end(connection, work.number)


def _quarantine(work: Work, reason: str) -> None:
    with work.database.write() as connection:
        quarantine.begin(connection, work.number, reason, work.now)
    work.warn(f"{work.name} is quarantined: {reason}; the next deliveries send {PROBE} changes first")


def _postpone(work: Work) -> None:
    with work.database.write() as connection:
        progress_store.postpone(connection, work.number, work.now)


def _begin(work: Work, plan: TargetPlan, parts: Iterable[SharePlan]) -> None:
    """Store what the target was found to hold in its links. Mark the groups whose members are about to change, so that
    after an interruption the next plan compares them again."""
    with work.database.write() as connection:
        for part in parts:
            progress_store.begin(connection, part.share.directory.id, work.number, part.reached.fingerprint)
            part.share.drift.apply(connection, work.number)
        progress_store.retry(connection, work.number, plan.store.member_groups())


async def send(
    target: Target,
    plan: PlanStore,
    ledger: Ledger,
    addresses: Addresses,
    ownership: Ownership,
    outcomes: Outcomes,
    tick: Callable[[int], None],
    *,
    probe: bool = False,
) -> None:
    """Send the whole plan, and note the result in ``outcomes``. ``probe``: the target is quarantined. It gets
    everything that takes access away, and of the rest a few changes first; if it refuses all of these, this raises
    QuarantineError.

    Each batch is stored before it is sent, in one transaction with the answers to the previous batch. A target that is
    the journal itself has everything when the answers are stored: nothing is stored before. Raises TargetError if the
    target as a whole cannot be written, StateError if the state database cannot.
    """
    journalled = target.capabilities.journalled
    answers: Answers = []
    creates = CREATES if target.capabilities.find == "bulk" else CHANGES
    for planned in _probing(plan, outcomes) if probe else plan.batches(CHANGES, creates, EDGES):
        if addresses.are_needed(planned) and answers and _may_create(answers):
            # The last answers may contain target ids that this batch needs.
            await _store(ledger, answers, [])
            answers = []
        steps = await asyncio.to_thread(addresses.addressed, planned, outcomes.again)
        await _store(ledger, answers, [] if journalled else steps)
        answers = []  # Frees their memory before the next batch is sent.
        answered: list[Outcome] = []
        try:
            await _deliver(target, _changes(steps), answered)
        except BaseException:
            # The answers received so far are stored. The next run looks up the rest.
            await _check(target, ownership, steps, answered, outcomes)
            each = _one_by_one(steps)
            received = list(_answers(each, answered, outcomes))
            await _store(ledger, received, [] if journalled else each[len(received) :])
            raise
        await _check(target, ownership, steps, answered, outcomes)
        answers = _answers_to(steps, answered, outcomes)
        addresses.learn(answers)
        tick(len(planned))
    await _store(ledger, answers, [])
    if outcomes.tried:
        raise QuarantineError(
            f"the target is quarantined, because it refused most changes of a delivery: it was tried with "
            f"{outcomes.tried}, and refused all of them",
            "correct what the target refuses (`usersyncd status` has the reasons); the next delivery tries again",
        )


def _probing(plan: PlanStore, outcomes: Outcomes) -> Iterator[Batch]:
    """The batches for a quarantined target: first what takes access away, so that no leaver waits for others; of the
    rest, a few changes until the target answers some. If it refuses all of them, the rest is left out."""
    for batch in map(_one_by_one, plan.batches(CHANGES, CHANGES, EDGES)):
        if urgent := _urgent(batch):
            yield urgent
    sent, rejected = outcomes.sent, outcomes.rejected
    for batch in map(_one_by_one, plan.batches(CHANGES, CHANGES, EDGES)):
        rest = _urgent(batch, but=True)
        while rest and outcomes.sent == sent:
            size = _end_of_chain(rest, PROBE)
            yield rest[:size]
            rest = rest[size:]
            if 0 < outcomes.sent - sent == outcomes.rejected - rejected:
                outcomes.tried = outcomes.sent - sent
                return
        if rest:
            yield rest
    if outcomes.sent == outcomes.rejected:
        outcomes.tried = outcomes.sent


def _urgent(batch: Sequence[PlannedChange], *, but: bool = False) -> list[PlannedChange]:
    """The steps that take access away or send nothing, with the chains that they belong to; ``but``: all others."""
    chosen = [step.change is None or (not step.fallback and (step.left or step.change.op in TAKING)) for step in batch]
    chains = {step.chain for step, is_chosen in zip(batch, chosen, strict=True) if is_chosen} - {0}
    pairs = zip(batch, chosen, strict=True)
    return [step for step, is_chosen in pairs if (is_chosen or step.chain in chains) is not but]


def _end_of_chain(steps: Sequence[PlannedChange], size: int) -> int:
    """The number of steps, at least ``size`` if there are as many, that splits no chain of keys."""
    while size < len(steps) and steps[size].chain and steps[size].chain == steps[size - 1].chain:
        size += 1
    return size


def _changes(steps: Batch) -> Sequence[Change]:
    if isinstance(steps, PlannedCreates):
        return steps.creates
    return [step.change for step in steps if step.change is not None]


def _one_by_one(steps: Batch) -> list[PlannedChange]:
    return steps.steps() if isinstance(steps, PlannedCreates) else steps


def _may_create(answers: Answers) -> bool:
    """Whether these are answers to changes of records, which may have created objects."""
    return isinstance(answers, CreatedObjects) or not answers[0].step.members


async def _check(
    target: Target, ownership: Ownership, steps: Batch, answered: list[Outcome], outcomes: Outcomes
) -> None:
    """Refuse the answers that name objects of other records. The next plan compares these records again."""
    if target.capabilities.journalled or target.capabilities.reuses_ids:
        return
    outcomes.again |= await asyncio.shield(asyncio.to_thread(ownership.check, steps, answered))


async def _store(ledger: Ledger, answers: Answers, following: Batch) -> None:
    """Store answers and the batch that is sent next, in a separate thread that ends even if this task is cancelled."""
    await asyncio.shield(asyncio.to_thread(ledger.write, answers, following))


async def _deliver(target: Target, changes: Sequence[Change], answered: list[Outcome]) -> None:
    """Deliver a batch, and append each outcome to ``answered``, so that an error loses none."""
    if not changes:
        return
    async with aclosing(cast("Any", target.deliver(changes))) as answers:
        async for outcome in answers:
            answered.append(outcome)  # noqa: PERF401 - outcomes before an error count
    if len(answered) != len(changes):
        raise TargetError(
            f"the connector answered {len(answered)} of {len(changes)} changes",
            "this is a fault of the connector: report it to its author",
        )


def _answers_to(steps: Batch, answered: Sequence[Outcome], outcomes: Outcomes) -> Answers:
    """The target's answers to a batch: as columns if all its creates were delivered."""
    if isinstance(steps, PlannedCreates) and (objects := created(steps, answered)) is not None:
        creates = steps.creates
        outcomes.sent += len(steps)
        count_creates(outcomes.counts[creates.directory], creates.kind, len(steps))
        return objects
    return list(_answers(_one_by_one(steps), answered, outcomes))


def _answers(steps: Sequence[PlannedChange], answered: Sequence[Outcome], outcomes: Outcomes) -> Iterator[Answer]:
    """The target's answer to each step, up to the first unanswered step. Counts the answers and notes failures."""
    left = iter(answered)
    for step in steps:
        change = step.change
        outcome = DELIVERED if change is None else next(left, None)
        if outcome is None:
            return
        outcomes.sent += change is not None
        if change is None:
            yield Answer(step, outcome)
        elif outcome.error is not None:
            outcomes.refuse(change.directory, step.ref, change.kind, change.id, outcome.error)
            yield Answer(step, outcome)
        elif is_absent(change, outcome):
            outcomes.fail(change.directory, step.ref, change.kind, change.id, MISSING)
            outcomes.missing = True
            yield Answer(step, outcome)
        else:
            if outcome.absent or outcome.gone:
                found = found_missing(step, outcome)
                outcomes.again.update(found)
                outcomes.missing = outcomes.missing or bool(found)
            members = zip(step.members, change.members, strict=True) if outcome.refused else ()
            refused = [(ref, member) for ref, member in members if member.id in outcome.refused]
            for ref, member in refused:
                outcomes.again.add(ref)  # Its object may belong to somebody else by now: the next plan checks it.
                reason = f"as a member of group {change.id}: {outcome.refused[member.id]}"
                outcomes.fail(change.directory, step.ref, member.kind, member.id, reason)
            count(outcomes.counts[change.directory], change, times=(len(change.members) or 1) - len(refused))
            yield Answer(step, outcome)
