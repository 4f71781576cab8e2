"""A plan that its guard lets through: what one directory would harm beyond its limits is left out, and held."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.listing import Listing
from usersyncd.core.plan import first
from usersyncd.core.report import NAMED
from usersyncd.deliver.guard import judge, record
from usersyncd.deliver.leavers import look_for_replacements
from usersyncd.deliver.look import look, sees
from usersyncd.deliver.plan import complete_plan, draft_plan
from usersyncd.deliver.share import Draft, Planning, Share
from usersyncd.deliver.shield import shield_members, shield_records
from usersyncd.deliver.upcoming import foresee
from usersyncd.deliver.work import Work
from usersyncd.options import ALL
from usersyncd.plugin import Kind, Target


async def plan_within_guard(
    work: Work, target: Target, context: TargetRunContext, shares: Sequence[Share], aside: Sequence[Share]
) -> Draft | None:
    """One plan for all shares that are not held; None when nothing is left. The caller closes it.

    A held share is left out of the next attempt: the others must not get a key that its records keep. ``aside`` are
    directories of which nothing is to be delivered, and which may claim the same keys. Raises TargetError, StateError.
    """
    shares, aside = list(shares), list(aside)
    while shares:
        planning = Planning(
            shares, aside, work.number, work.now, sees(target), work.options.deliver, work.options.adopt,
            work.decisions,
        )  # fmt: skip
        draft = await _draft(work, target, context, planning)
        try:
            held = [share for share in shares if await _is_held(work, planning, share, draft)]
        except BaseException:
            draft.plan.close()
            raise
        if not held:
            return draft
        draft.plan.close()
        shares, aside = [share for share in shares if share not in held], aside + held
    return None


async def _draft(work: Work, target: Target, context: TargetRunContext, planning: Planning) -> Draft:
    """Shape, compare, look at the target, decide who gets which key."""
    draft = await work.thread("planning", lambda: draft_plan(work.database, planning))
    try:
        named = planning.adopt - {ALL}
        seen = await look(target, context, draft.plan, named)
        if sees(target):
            await look_for_replacements(target, context.layouts[Kind.USER].key, draft.plan, named, seen)
        draft.miss(seen.absent)
        draft.fail_all(seen.refused)
        draft.fail_all(await shield_records(target, context, draft.plan))
        await work.thread("planning", lambda: complete_plan(work.database, planning, draft))
        draft.fail_all(await shield_members(target, context, draft.plan))
    except BaseException:
        draft.plan.close()
        raise
    return draft


async def _is_held(work: Work, planning: Planning, share: Share, draft: Draft) -> bool:
    """Judge a share, and describe it in its report."""
    report, part = work.reports[share.name], draft.shares[share.name]
    found = await to_its_end(lambda: judge(work.database, planning, share, draft, report.verified))
    if work.options.deliver:
        await to_its_end(lambda: record(work.database, planning, share, draft, found))
    report.guard, report.harm, report.held = found.violations, found.hash, found.held
    report.approved, report.rejected = found.approved, found.rejected
    report.plan = await to_its_end(lambda: draft.plan.hash(share.name))
    report.planned = draft.plan.counts[share.name]
    report.failed, report.failures = part.failed[:NAMED], len(part.failed)
    report.skipped = part.skipped
    if not work.options.deliver:
        report.counts = report.planned
        report.upcoming = await to_its_end(lambda: foresee(work.database, planning, share, draft.plan))
    if work.options.changes != 0:
        report.changes = Listing(first(draft.changes(share.name), work.options.changes))
    return report.held
