"""Makes a plan that the guard allows: a share that exceeds its limits is held, and the plan is made without it."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.listed_changes import ListedChanges, listed
from usersyncd.core.packed_changes import PackedChanges
from usersyncd.core.report import MAX_FAILURES
from usersyncd.deliver.guard import judge, record
from usersyncd.deliver.objects import find_objects, is_readable
from usersyncd.deliver.plan import begin_plan, complete_plan
from usersyncd.deliver.protected import shield_members, shield_records
from usersyncd.deliver.replacements import look_for_replacements
from usersyncd.deliver.share import Planning, Share, TargetPlan
from usersyncd.deliver.upcoming import foresee
from usersyncd.deliver.work import Work
from usersyncd.options import ALL
from usersyncd.plugin import Kind, Target


async def plan_within_guard(
    work: Work, target: Target, context: TargetRunContext, shares: Sequence[Share], aside: Sequence[Share]
) -> TargetPlan | None:
    """One plan for all shares that are not held; None if all are held. The caller closes it.

    If the guard holds a share, the plan is made again without it: no other share may get a key that the held records
    keep. ``aside``: the shares that are not delivered, but whose records may claim the same keys. Raises TargetError
    and StateError.
    """
    shares, aside = list(shares), list(aside)
    while shares:
        planning = Planning(
            shares, aside, work.number, work.now, is_readable(target), work.options.deliver, work.options.adopt,
            work.decisions, patient=work.may_skip,
        )  # fmt: skip
        plan = await _make_plan(work, target, context, planning)
        try:
            held = [share for share in shares if await _is_held(work, planning, share, plan)]
        except BaseException:
            plan.store.close()
            raise
        if not held:
            return plan
        plan.store.close()
        shares, aside = [share for share in shares if share not in held], aside + held
    return None


async def _make_plan(work: Work, target: Target, context: TargetRunContext, planning: Planning) -> TargetPlan:
    """Shape the records, compare them with their links, look up objects in the target, and decide who gets which
    key."""
    plan = await work.thread("planning", lambda: begin_plan(work.database, planning))
    try:
        named = planning.adopt - {ALL}
        found = await find_objects(target, context, plan.store, named)
        if is_readable(target):
            await look_for_replacements(target, context.layouts[Kind.USER].key, plan.store, named, found)
        plan.miss(found.absent)
        plan.fail_all(found.refused)
        plan.fail_all(await shield_records(target, context, plan.store))
        await work.thread("planning", lambda: complete_plan(work.database, planning, plan))
        plan.fail_all(await shield_members(target, context, plan.store))
    except BaseException:
        plan.store.close()
        raise
    return plan


async def _is_held(work: Work, planning: Planning, share: Share, plan: TargetPlan) -> bool:
    """Whether the guard holds a share. Its report describes the plan and the verdict from now on."""
    await to_its_end(lambda: _judge(work, planning, share, plan))
    report = work.reports[share.name]
    if work.options.changes is not ListedChanges.NONE:
        report.changes = PackedChanges(listed(plan.changes(share.name), work.options.changes))
    return report.held


def _judge(work: Work, planning: Planning, share: Share, plan: TargetPlan) -> None:
    """Judge a share and fill in its report, all in one thread: changing threads costs a small delivery time."""
    report, part = work.reports[share.name], plan.shares[share.name]
    found = judge(work.database, planning, share, plan, report.verified)
    if work.options.deliver:
        record(work.database, planning, share, plan, found)
    report.guard, report.harm, report.held = found.violations, found.hash, found.held
    report.approved, report.rejected = found.approved, found.rejected
    report.plan = plan.store.hash(share.name)
    report.planned = plan.store.counts[share.name]
    report.failed, report.failures = part.failed[:MAX_FAILURES], len(part.failed)
    report.skipped = part.skipped
    if not work.options.deliver:
        report.counts = report.planned
        report.upcoming = foresee(work.database, planning, share, plan.store)
