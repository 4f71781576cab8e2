"""Stores how far each target is in each directory, and the records that a delivery has to try again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, not_, or_, select, update

from usersyncd.core.links import LEAVING
from usersyncd.state import bulk
from usersyncd.state.tables import directories, records, retries, target_names, target_progress

NOTHING = -1
"""The revision of a target that has no complete delivery yet."""


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
    tracked: list[ColumnElement[bool]] = [target_progress.c.fingerprint == LEAVING]
    tracked += [
        and_(
            target_progress.c.target.in_(select(target_names.c.target).where(target_names.c.name == name)),
            target_progress.c.fingerprint == text,
        )
        for name, text in rules.items()
    ]
    others = not_(or_(*tracked))
    connection.execute(
        update(target_progress).where(target_progress.c.directory == directory, others).values(fingerprint="")
    )


def retry(connection: Connection, target: int, refs: Iterable[int]) -> None:
    """Mark records, so that the next plan looks at them again."""
    bulk.upsert(connection, retries, ("target", "ref"), ((target, ref) for ref in refs))


def retried(connection: Connection, directory: int, target: int) -> set[int]:
    """The refs of the records of a directory that are marked for the next plan."""
    of_share = retries.c.target == target, records.c.directory == directory
    return set(connection.scalars(select(retries.c.ref).join(records, records.c.ref == retries.c.ref).where(*of_share)))


def finish(connection: Connection, target: int, reached: Mapping[int, TargetProgress], again: Iterable[int]) -> None:
    """Store the progress of a target after a delivery, by directory. ``again``: the refs of records that failed, and
    are marked for the next plan."""
    here = select(records.c.ref).where(records.c.ref == retries.c.ref, records.c.directory.in_(list(reached)))
    rows = [(directory, target, now.revision, now.fingerprint) for directory, now in reached.items()]
    connection.execute(delete(retries).where(retries.c.target == target, here.exists()))
    retry(connection, target, again)
    bulk.upsert(connection, target_progress, ("directory", "target", "revision", "fingerprint"), rows)
