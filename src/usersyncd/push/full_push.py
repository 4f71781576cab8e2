"""Ends a full push: what the provider did not send is deleted, as if the provider had deleted it."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import structlog
from ulid import ULID

from usersyncd import recording
from usersyncd.blocking import to_its_end
from usersyncd.core.report import PullReport, PullRun
from usersyncd.errors import LockedError
from usersyncd.job import PullJob
from usersyncd.options import RunOptions
from usersyncd.push.commit import commit
from usersyncd.scim.store import DeleteResource
from usersyncd.state import full_pushes
from usersyncd.state.database import Database
from usersyncd.state.directories import open_directory
from usersyncd.state.lock import DIRECTORY, Lock, locked

PATIENCE = 15.0
"""Seconds that this waits for requests that are being saved: a burst ends three seconds after its last one."""
PAUSE = 0.1
"""Seconds between two attempts to get the lock of the directory."""


async def end_full_push(database: Database, job: PullJob, by: str) -> PullRun:
    """Delete what was not sent since the full push is expected, and expect it no longer. ``by``: who asked for it.

    If this is interrupted, the full push is still expected, and the next call continues. An error of the run is in its
    report. Raises LockedError if the directory pushes all the time, StateError if the report cannot be stored.
    """
    directory = job.directory
    stack = ExitStack()
    try:
        lock = await _locked(stack, database, directory.name)
        await to_its_end(lambda: stack.enter_context(database.kept_open()))
        report = PullRun(
            directory.name, directory.connector, str(ULID()), "failed", recording.now().isoformat(), "manual"
        )
        report.by = by
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)
        async with recording.recorded(database, report, RunOptions(), log):
            await to_its_end(lambda: _delete_unseen(database, job, lock, report))
    finally:
        await to_its_end(stack.close)
    return report


async def _locked(stack: ExitStack, database: Database, name: str) -> Lock:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await to_its_end(lambda: stack.enter_context(locked(database, DIRECTORY, name)))
        except LockedError:
            if time.monotonic() > deadline:
                raise LockedError(
                    f"{name}: its provider still pushes", "wait until its full push is complete, then end it"
                ) from None
        await asyncio.sleep(PAUSE)


def _delete_unseen(database: Database, job: PullJob, lock: Lock, report: PullRun) -> None:
    began = time.monotonic()
    state = first = open_directory(database, job.directory.name)
    for page in full_pushes.unseen(database, first.id):
        lock.verify()
        deletions = [DeleteResource(one.kind, one.id, None) for one in page]
        committed = commit(database, state, job, deletions, recording.now())
        state = state if committed.saved is None else committed.saved.directory
    full_pushes.drop(database, first.id)
    report.changed = state.revision != first.revision
    report.pull = PullReport(
        False, state.users, state.groups, state.memberships, round(time.monotonic() - began, 3),
        changed=first.users + first.groups - state.users - state.groups,
    )  # fmt: skip
