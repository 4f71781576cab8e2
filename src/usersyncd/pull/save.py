"""Saves a pull in the snapshot of its directory, with the cursor, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from usersyncd.core.model import Guard
from usersyncd.core.rules import RuleError, Rules
from usersyncd.job import PullJob
from usersyncd.plugin import Done, Kind, Value
from usersyncd.state import losses
from usersyncd.state.database import Database, Steps
from usersyncd.state.directories import DirectoryState
from usersyncd.state.snapshot import SavedPull, ShapeDependencies, save
from usersyncd.state.spool import Spool
from usersyncd.state.vanished import LostError, Watched

UNWATCHED = Watched(dict.fromkeys(Kind, ()), 0, (), ())
"""No attribute is watched for its loss."""


def open_spool(database: Database, reading: DirectoryState, job: PullJob, *, complete: bool = False) -> Spool:
    """The spool for the pages of a pull. ``complete``: the source is asked for everything."""
    return Spool(database, reading.id, manager_of(job.rules), complete=complete)


def snapshot(
    database: Database,
    reading: DirectoryState,
    job: PullJob,
    spool: Spool,
    done: Done,
    now: datetime,
) -> Steps[SavedPull]:
    """Save a pull that was received to its end. Yields between parts; if it is closed early, nothing changes.

    Raises LostError if all records lost attributes and nobody approved that; the loss waits for approval from then on.
    Raises StateError.
    """
    try:
        saved = yield from snapshot_of_people(database, reading, job, spool, done, now)
    except LostError as error:
        losses.hold(database, reading.id, error.losses, now)
        raise
    losses.clear(database, reading.id)
    return saved


def save_push(
    database: Database, before: DirectoryState, job: PullJob, spool: Spool, done: Done, now: datetime
) -> SavedPull:
    """Save what a directory pushed. It survives a power loss. Raises StateError.

    Attributes that all records lost do not stop it: each request says by itself what it removes. The guard still
    judges their delivery.
    """
    steps = save(database, before, spool, done, job.basis, _dependencies(job), UNWATCHED, now, durable=True)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("SavedPull", end.value)


def snapshot_of_people(
    database: Database,
    reading: DirectoryState,
    job: PullJob,
    spool: Spool,
    done: Done,
    now: datetime,
) -> Steps[SavedPull]:
    """Save people who were pulled alone. Losses neither begin to wait for approval nor cease to: that is for pulls of
    the whole directory. Raises LostError, StateError.
    """
    at_least = min((one.target.guard.at_least for one in job.targets), default=Guard().at_least)
    with database.read() as connection:
        accepted = losses.approved(connection, reading.id, now)
    watched = Watched(job.reads, at_least, accepted, [one.target.name for one in job.targets])
    return (yield from save(database, reading, spool, done, job.basis, _dependencies(job), watched, now))


def _dependencies(job: PullJob) -> ShapeDependencies:
    return ShapeDependencies(_fingerprints(job), job.groups, job.manager, group_name_of(job.rules))


def _fingerprints(job: PullJob) -> dict[str, str]:
    """The fingerprint of each target's rules, by the target's name."""
    return {one.target.name: one.fingerprint for one in job.targets}


def manager_of(rules: Rules) -> Callable[[dict[str, Value]], str | None]:
    """A function that reads the id or handle of a user's manager. It returns None if the mapping fails: shaping reports
    that."""
    return lambda raw: _or_none(rules.manager, raw)


def group_name_of(rules: Rules) -> Callable[[dict[str, Any]], str | None]:
    """A function that reads the display name of a group. It returns None if the mapping fails: shaping reports that."""
    return lambda raw: _or_none(rules.display_name, raw)


def _or_none(read: Callable[[dict[str, Any]], str | None], raw: dict[str, Any]) -> str | None:
    try:
        return read(raw)
    except RuleError:
        return None
