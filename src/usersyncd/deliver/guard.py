"""Step five, guard: decides whether a plan is delivered, or held until a person approves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Set

from msgspec import Struct, json, structs

from usersyncd.core.approvals import (
    UNDECIDED,
    Approved,
    Decision,
    Decisions,
    decided,
    first_delivery,
    hash_of,
    is_first_delivery,
)
from usersyncd.core.digest import encode
from usersyncd.core.drift import missing
from usersyncd.core.guard import EMPTIED, Sort, Tally, Window, limited, violations
from usersyncd.core.plan import Section
from usersyncd.core.report import Approval, Verified, Violation
from usersyncd.deliver.harmful import Harmful
from usersyncd.deliver.rejected import Withdrawal
from usersyncd.deliver.share import Planning, Share, TargetPlan
from usersyncd.plugin import Kind, Op
from usersyncd.state import approvals, progress_store
from usersyncd.state.approvals import ShareKey
from usersyncd.state.database import Connection, Database
from usersyncd.state.harms import read_window
from usersyncd.state.holdings import holdings, sizes
from usersyncd.state.plan_store import PlanStore
from usersyncd.words import many


class Judgement(Struct, frozen=True):
    """The guard's verdict on one share of a plan.

    ``violations``: the limits that it exceeds; ``hash``: that of the changes that wait for a decision, None if nothing
    is held. ``approved``: the approvals that let changes of this plan through; ``rejected``: how many changes were
    removed from the plan. ``found``: the identities of the decided changes that are still planned.
    """

    violations: list[Violation]
    hash: str | None
    approved: list[Approval]
    rejected: int
    found: Set[str]
    harmful: Harmful

    @property
    def held(self) -> bool:
        """Whether the share waits for a person and is not delivered."""
        return bool(self.violations)


def judge(
    database: Database, planning: Planning, share: Share, plan: TargetPlan, verified: Verified | None
) -> Judgement:
    """Remove the rejected changes from a share of a plan, then check the rest against the limits of the target.

    Approved changes do not count. If the target was ``verified``, the objects missing there have a limit as well.
    Raises StateError.
    """
    store, limits = plan.store, share.rules.target.guard
    part, decisions = plan.shares[share.name], planning.decisions.get(share.name, UNDECIDED)
    with database.read() as connection:
        before = _emptied(connection, planning.target, store, share.name)
        withdrawn = Withdrawal(store, share.name, decisions.rejected, before)
        withdrawn.run()
        emptied = _emptied(connection, planning.target, store, share.name)
        lost = _missing(connection, planning.target, share.drift.missing, verified)
        has_begun = progress_store.has_begun(connection, share.directory.id, planning.target)
    first = first_delivery(store.hash(share.name)) if share.rules.after_approval and not has_begun else None
    plan.again |= withdrawn.refs
    part.skipped += withdrawn.skipped
    waits = first if first not in decisions.approved else None
    over = [] if verified is None else missing(_without(verified, lost, decisions), limits)
    waiting = lost - decisions.rejected.keys() if over else set[str]()
    harmful = Harmful(
        store, share.name, limited(limits), emptied, waiting, decisions.approved, first=first if waits else None
    )
    found = _violations(database, planning, share, store, emptied, harmful) + over
    if waits:
        found.append(Violation("first_delivery", "after approval", many(store.counts[share.name].total, "change")))
    planned = _planned(store, share.name, decisions, emptied, lost | ({first} if first else set()))
    seen = planned | withdrawn.found | (lost & decisions.rejected.keys())
    return Judgement(
        found,
        hash_of(share.rules.target.name, share.name, harmful.identities()) if found else None,
        _approvals(decisions.approved, planned),
        withdrawn.count,
        seen,
        harmful,
    )


def record(database: Database, planning: Planning, share: Share, plan: TargetPlan, judgement: Judgement) -> None:
    """Store which changes wait for a person's decision, or that none do.

    Decisions about changes that are no longer planned end; those about records that failed stay. Raises StateError.
    """
    key = ShareKey(planning.target, share.directory.id, share.rules.target.name, share.name)
    if judgement.held:
        harmful = judgement.harmful
        approvals.hold(database, key, harmful.identities(), harmful.changes(), planning.now)
    else:
        approvals.release(database, key, planning.now)
    decisions = planning.decisions.get(share.name, UNDECIDED)
    failed = {(one.kind, one.id) for one in plan.shares[share.name].failed}
    known = decisions.approved.keys() | decisions.rejected.keys()
    over = [one for one in known - judgement.found if failed.isdisjoint(_records(one))]
    with database.read() as connection:
        if not approvals.is_decided(connection, key.target, key.directory):
            return
    with database.write() as connection:
        made = approvals.decisions_of(connection, key.target, key.directory, planning.now)
        over += approvals.outdated(connection, key.directory, made, planning.now)
        approvals.end(connection, key.target, key.directory, over)
        approvals.end_expired(connection, key.target, key.directory, planning.now)


# ---- what is planned


def _planned(store: PlanStore, directory: str, decisions: Decisions, emptied: Set[int], more: Set[str]) -> set[str]:
    """The identities of approved changes that the plan has, or that are planned with it (``more``)."""
    if not decisions.approved:
        return set()
    steps = ((step.change, step.ref) for step in store.steps(directory) if step.change is not None)
    found = {one for change, ref in steps for one in decided(change, emptied=ref in emptied)}
    return (found | more) & decisions.approved.keys()


def _approvals(approved: Mapping[str, Decision], planned: Collection[str]) -> list[Approval]:
    """The approvals of planned changes, each with the number of its changes."""
    counts = Counter(approved[one].number for one in planned)
    decisions = {one.number: one for one in approved.values()}
    return [
        Approval(one.by, one.at.isoformat(), one.reason, counts[number])
        for number, one in sorted(decisions.items())
        if counts[number]
    ]


def _records(identity: str) -> Iterable[tuple[Kind, str]]:
    """The records that a decided change is about: kind and id, of a membership both ends."""
    parts = json.decode(identity)
    if not is_first_delivery(identity):
        yield Kind(parts[0]), parts[1]
    if len(parts) > 4:
        yield Kind(parts[3]), parts[4]


def _missing(connection: Connection, target: int, refs: Collection[int], verified: Verified | None) -> set[str]:
    """The identities of records whose objects are missing in a verified target, and are created again."""
    if verified is None or not refs:
        return set()
    return {encode([kind, id_, Op.CREATE]).decode() for kind, id_ in approvals.linked_ids(connection, target, refs)}


def _without(verified: Verified, lost: Set[str], decisions: Decisions) -> Verified:
    """The result of a verification, without the missing objects that a person approved or rejected."""
    known = lost & (decisions.approved.keys() | decisions.rejected.keys())
    return structs.replace(verified, missing=verified.missing - len(known))


# ---- counting


def _violations(
    database: Database, planning: Planning, share: Share, store: PlanStore, emptied: Set[int], harmful: Harmful
) -> list[Violation]:
    limits, directory, target = share.rules.target.guard, share.directory, planning.target
    window = read_window(database, target, directory.id, limits, planning.now, expire=planning.linked)
    with database.read() as connection:
        tally = _tally(store, share.name, Tally(limits, window), window, emptied, harmful)
        harms = tally.in_question()
        if not harms:  # No count of the target's objects is needed.
            return []
        attributes = [(harm.kind, harm.attribute) for harm in harms if harm.kind and harm.sort is Sort.BLANKED]
        return violations(limits, tally, holdings(connection, directory.id, target, attributes))


def _tally(
    store: PlanStore, directory: str, tally: Tally, window: Window, emptied: Set[int], harmful: Harmful
) -> Tally:
    for step in store.harmful(directory):
        assert step.change is not None  # noqa: S101 - what harms is a change
        approved = harmful.approved_of(step).harms
        tally.add(step.ref, step.change, counted=step.counted, approved=approved)
        if step.takes is not None:
            tally.add(step.takes, step.change, counted=False)
    for ref, change in store.changes_of(window.harms):
        if change.op is Op.CREATE:
            tally.add(ref, change)
    removed = _approved_removals(store, directory, harmful)
    for group, members in store.edges(directory, Section.REMOVALS):
        tally.remove(group, set(members) - removed[group].members if group in removed else set(members))
    for group, members in store.edges(directory, Section.ADDITIONS) if window.removed or window.harms else ():
        tally.restore(group, set(members))
    for group in emptied:
        if group not in removed or EMPTIED not in removed[group].harms:
            tally.empty(group)
    return tally


def _approved_removals(store: PlanStore, directory: str, harmful: Harmful) -> dict[int, Approved]:
    """The approved removals of members, by the ref of the group."""
    found: dict[int, Approved] = {}
    for step in store.removals(directory) if harmful.has_approvals else ():
        part, before = harmful.approved_of(step), found.get(step.ref, Approved())
        found[step.ref] = Approved(before.harms | part.harms, before.members | part.members)
    return found


def _emptied(connection: Connection, target: int, store: PlanStore, directory: str) -> set[int]:
    """The refs of the groups of a directory that lose their last member and are not deleted."""
    lost = Counter[int]()
    for group, members in store.edges(directory, Section.REMOVALS):
        lost[group] += len(members)
    if not lost:
        return set()
    gained = {group for group, _ in store.edges(directory, Section.ADDITIONS)}
    held = sizes(connection, target, lost.keys() - gained)
    return {group for group, size in held.items() if 0 < size <= lost[group]} - store.deletes(held)
