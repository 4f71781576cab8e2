"""Stores how far each target is in each directory, and the records that a delivery has to try again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, or_, select, update

from usersyncd.core.links import LEAVING
from usersyncd.core.pauses import PAUSES, pause
from usersyncd.state import bulk
from usersyncd.state.moments import as_text
from usersyncd.state.tables import directories, records, retries, target_names, target_progress

NOTHING = -1
"""The revision of a target that has no complete delivery yet."""

_FINGERPRINTS = (
    select(target_progress.c.target, target_progress.c.fingerprint, target_names.c.name)
    .outerjoin(target_names, target_names.c.target == target_progress.c.target)
    .where(target_progress.c.directory == bindparam("directory"), target_progress.c.fingerprint != "")
)
_DISTRUST = (
    update(target_progress)
    .where(target_progress.c.directory == bindparam("which"), target_progress.c.target == bindparam("whose"))
    .values(fingerprint="")
)


class TargetProgress(Struct, frozen=True):
    """How far a target is in a directory: the revision up to which it has everything, and the fingerprint of the rules
    of that delivery."""

    revision: int
    fingerprint: str


def load(connection: Connection, directory: int, target: int) -> TargetProgress | None:
    """The progress of a target in a directory; None if the directory was never delivered completely."""
    query = select(target_progress.c.revision, target_progress.c.fingerprint).where(
        target_progress.c.directory == directory, target_progress.c.target == target
    )
    row = connection.execute(query).one_or_none()
    return TargetProgress(*row) if row and row.revision != NOTHING else None


def has_begun(connection: Connection, directory: int, target: int) -> bool:
    """Whether a delivery of a directory to a target has ever begun."""
    query = select(target_progress.c.target).where(
        target_progress.c.directory == directory, target_progress.c.target == target
    )
    return connection.execute(query).first() is not None


def delivered(connection: Connection, target: int) -> list[str]:
    """The names of the directories for which a delivery to a target has begun."""
    query = select(directories.c.name).join(target_progress, target_progress.c.directory == directories.c.id)
    return list(connection.scalars(query.where(target_progress.c.target == target).order_by(directories.c.name)))


def begin(connection: Connection, directory: int, target: int, fingerprint: str) -> None:
    """Store that a delivery with these rules has begun.

    Before a first delivery, this keeps records that are deleted meanwhile: the delivery may create their objects yet.
    If the rules differ from the last delivery's, the fingerprint is cleared: should this delivery not end, some objects
    have new shapes, and the next delivery compares all of them.
    """
    before = load(connection, directory, target)
    if before is None or before.fingerprint != fingerprint:
        row = directory, target, NOTHING if before is None else before.revision, ""
        bulk.upsert(connection, target_progress, ("directory", "target", "revision", "fingerprint"), [row])


def distrust(connection: Connection, directory: int, rules: Mapping[str, str]) -> None:
    """Clear the fingerprints of a directory that ``rules`` (target's name → fingerprint) does not contain.

    The pull did not track what these rules depend on. If they are configured again, every record is shaped again.
    """
    targets: dict[int, bool] = {}
    for target, fingerprint, name in connection.execute(_FINGERPRINTS, {"directory": directory}):
        is_tracked = fingerprint == LEAVING or (name is not None and rules.get(name) == fingerprint)
        targets[target] = targets.get(target, False) or is_tracked
    distrusted = [{"which": directory, "whose": target} for target, is_tracked in targets.items() if not is_tracked]
    if distrusted:
        connection.execute(_DISTRUST, distrusted)


def retry(connection: Connection, target: int, refs: Iterable[int]) -> None:
    """Mark records, so that the next plan looks at them again."""
    bulk.upsert(connection, retries, ("target", "ref", "due"), ((target, ref, None) for ref in refs))


def waiting(connection: Connection, target: int, now: datetime) -> list[int]:
    """The refs of the records that the target refused, and that are not due yet."""
    query = select(retries.c.ref).where(retries.c.target == target, retries.c.due > as_text(now))
    return list(connection.scalars(query))


def retried(connection: Connection, directory: int, target: int) -> set[int]:
    """The refs of the records of a directory that are marked for the next plan."""
    of_share = retries.c.target == target, records.c.directory == directory
    return set(connection.scalars(select(retries.c.ref).join(records, records.c.ref == retries.c.ref).where(*of_share)))


def postpone(connection: Connection, target: int, now: datetime) -> None:
    """Let all records wait that the target refused, so that the next delivery tries others first."""
    refused = retries.c.target == target, retries.c.refusals > 0
    connection.execute(update(retries).where(*refused).values(due=as_text(now + PAUSES[-2])))


def finish(
    connection: Connection,
    target: int,
    reached: Mapping[int, TargetProgress],
    again: Iterable[int],
    refused: Iterable[int],
    now: datetime,
) -> None:
    """Store the progress of a target after a delivery, by directory. ``again``: the refs of records that failed, and
    are marked for the next plan; ``refused``: those that the target refused, and that wait before they are tried again.
    A record that still waits stays marked."""
    query = select(retries.c.ref, retries.c.refusals).where(retries.c.target == target, retries.c.refusals > 0)
    before = {ref: refusals for ref, refusals in connection.execute(query)}  # noqa: C416 - rows, not pairs
    here = select(records.c.ref).where(records.c.ref == retries.c.ref, records.c.directory.in_(list(reached)))
    rows = [(directory, target, now.revision, now.fingerprint) for directory, now in reached.items()]
    is_due = or_(retries.c.due.is_(None), retries.c.due <= as_text(now))
    connection.execute(delete(retries).where(retries.c.target == target, is_due, here.exists()))
    retry(connection, target, again)
    counts = ((ref, before.get(ref, 0) + 1) for ref in refused)
    waits = ((target, ref, count, _due(count, now)) for ref, count in counts)
    bulk.upsert(connection, retries, ("target", "ref", "refusals", "due"), waits)
    bulk.upsert(connection, target_progress, ("directory", "target", "revision", "fingerprint"), rows)


def _due(refusals: int, now: datetime) -> str | None:
    """When a record is sent again that was refused so often in a row; None: in the next delivery."""
    wait = pause(refusals)
    return as_text(now + wait) if wait else None
