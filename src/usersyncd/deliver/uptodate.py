"""Decides from the state alone whether a delivery has nothing to do."""

from __future__ import annotations

from collections.abc import Iterable

from usersyncd.deliver.share import Share
from usersyncd.deliver.work import Work
from usersyncd.state import approvals, moments, pending, progress_store, verifications
from usersyncd.state.database import Connection
from usersyncd.state.progress_store import TargetProgress


def is_up_to_date(connection: Connection, work: Work, shares: Iterable[Share]) -> bool:
    """Whether the last revision of every share was delivered by these rules and not later than now, no record failed,
    no approval is open, and neither a date nor a verification is due."""
    if pending.has_pending(connection, work.number, work.now) or moments.is_any_due(connection, work.number, work.now):
        return False
    if any(made.approved for made in approvals.by_directory(connection, work.number, work.now).values()):
        return False
    return all(_is_up_to_date(connection, work, share) for share in shares)


def _is_up_to_date(connection: Connection, work: Work, share: Share) -> bool:
    if share.is_clock_back:
        return False
    target, directory = share.rules.target, share.directory
    reached = progress_store.load(connection, directory.id, work.number)
    if reached != TargetProgress(directory.revision, share.rules.fingerprint):
        return False
    kept = target.leavers.delete_after
    if kept is not None and pending.has_leavers(connection, work.number, directory.id, work.now - kept):
        return False
    last = verifications.latest(connection, directory.id, work.number)
    return not (last.wanted or (target.verify is not None and target.verify.is_due(last.at, work.now)))
