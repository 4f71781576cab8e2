"""Before a plan: resolves changes that were never answered, renames directories in the target, and looks up links
without target ids."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.report import Verified
from usersyncd.deliver.find_shares import without_waiting
from usersyncd.deliver.objects import is_readable
from usersyncd.deliver.orphans import link_orphans
from usersyncd.deliver.renaming import rename_directory
from usersyncd.deliver.share import Share
from usersyncd.deliver.target_ids import look_up_target_ids
from usersyncd.deliver.unanswered import resolve_unanswered
from usersyncd.deliver.verify import Verification
from usersyncd.deliver.work import Work
from usersyncd.plugin import Target
from usersyncd.state import progress_store, verifications
from usersyncd.state.ledger import Ledger


async def prepare(work: Work, target: Target, shares: Sequence[Share], ledger: Ledger, *, moved: bool) -> list[Share]:
    """Resolve the changes that were never answered. A delivery also renames directories in the target and looks up
    links without target ids.

    Returns the shares that can be planned. ``moved``: the target has moved, and the links are still those of its old
    place. Raises TargetError.
    """
    layouts = work.job.rules.rules.layouts
    if work.options.deliver:
        await target.prepare()
    if not moved:
        await resolve_unanswered(work.database, target, work.number, ledger, layouts)
    if work.options.deliver:
        for share in shares:
            await rename_directory(work.database, target, work.number, share.directory)
    found = await to_its_end(lambda: list(without_waiting(work, shares)))
    if work.options.deliver:
        for share in found:
            await look_up_target_ids(work.database, target, work.number, share.directory, layouts)
    return found


async def verify(work: Work, target: Target, context: TargetRunContext, share: Share) -> Verified | None:
    """Compare the target with the links of a share, if that is requested or due. None: it was not compared."""
    if not is_readable(target):
        if work.options.verify:
            work.log.warning(
                f"target {work.name} is not verified: its objects cannot be read", event_name="delivery.not_verified"
            )
        return None
    directory, fewer = share.directory, False
    delivered = await work.ask(lambda connection: progress_store.load(connection, directory.id, work.number))
    if directory.complete and delivered is not None and not share.rules.leaving:
        fewer = await link_orphans(work.database, target, context, work.number, directory)
    last = await work.ask(lambda connection: verifications.latest(connection, directory.id, work.number))
    schedule = share.rules.target.verify
    due = last.wanted or (fewer and work.options.complete)
    due = due or (schedule is not None and schedule.is_due(last.at, work.now))
    if not (due or work.options.verify):
        return None
    work.progress.begin("verifying")
    if work.options.deliver:
        # Wanted until the plan is delivered: a share that is held or interrupted is verified again.
        await to_its_end(lambda: verifications.want(work.database, directory.id, work.number))
    adopt = work.options.adopt
    step = Verification(
        work.database, target, context, work.number, directory, share.rules.target.drift,
        share.rules.rules.leaver_attributes, share.drift, lambda id_: id_ in adopt,
    )  # fmt: skip
    return await step.run(work.progress.advance)
