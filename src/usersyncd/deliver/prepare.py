"""Before a plan: resolves changes that were never answered, renames directories in the target, and looks up links
without target ids."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.blocking import to_its_end
from usersyncd.deliver.find_shares import without_waiting
from usersyncd.deliver.renaming import rename_directory
from usersyncd.deliver.share import Share
from usersyncd.deliver.target_ids import look_up_target_ids
from usersyncd.deliver.unanswered import resolve_unanswered
from usersyncd.deliver.work import Work
from usersyncd.plugin import Target
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
