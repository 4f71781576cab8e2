"""One pull of one directory: lock → pages → spool → snapshot at a new revision, and nothing else.

A pull may be cancelled or killed anywhere: the snapshot and its cursor change in one transaction, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import structlog
from msgspec import Struct
from structlog.typing import FilteringBoundLogger
from ulid import ULID

from usersyncd import recording
from usersyncd.blocking import result_of, to_its_end
from usersyncd.core.report import Cause, PullReport, PullRun
from usersyncd.errors import UsersyncError
from usersyncd.job import PullJob
from usersyncd.options import RunOptions
from usersyncd.plugin import Members, PersonSource
from usersyncd.progress import Progress
from usersyncd.pull.beginning import locked_directory, source_context
from usersyncd.pull.person import changed_on_request, memberships_before, read_people
from usersyncd.pull.receive import receive
from usersyncd.pull.save import open_spool, snapshot
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState, open_directory
from usersyncd.state.lock import Lock
from usersyncd.state.spool import Spool

REPAIRED_SHOWN = 20
"""How many records with repaired text the log names."""
MERGES = (
    "{0} was pulled under this name before `was: {1}` was written: a plan cannot show how the two directories are "
    "merged"
)


async def pull(
    database: Database,
    folder: Path,
    job: PullJob,
    options: RunOptions,
    cause: Cause = "manual",
    progress: Progress | None = None,
    by: str | None = None,
) -> PullRun:
    """Pull a directory once. ``folder``: that of the configuration file. ``by``: who asked for it.

    An error of the run is in its report. Raises LockedError if another process pulls this directory, StateError if the
    report cannot be stored.
    """
    directory = job.directory
    async with locked_directory(database, job) as lock:
        report = PullRun(directory.name, directory.connector, str(ULID()), "failed", recording.now().isoformat(), cause)
        report.by = by
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)
        async with recording.recorded(database, report, options, log):
            await _Pull(database, lock, folder, job, options, progress or Progress(), log, report).steps()
    return report


class _Pull(Struct, frozen=True):
    database: Database
    lock: Lock
    folder: Path
    job: PullJob
    options: RunOptions
    progress: Progress
    log: FilteringBoundLogger
    report: PullRun

    async def steps(self) -> None:
        began, database, job, report = recording.now(), self.database, self.job, self.report
        before = await to_its_end(self._open)
        requests = await to_its_end(lambda: changed_on_request(database, job.directory.name))
        cursor = None if self._complete(before, began) else before.cursor
        spool = await to_its_end(lambda: open_spool(database, before, job, complete=cursor is None))
        try:
            async with source_context(self.folder, job, before, self.progress, self.log) as context:
                assert job.connector is not None  # noqa: S101 - a directory of the file has one
                source = job.connector(job.directory.options, context)
                self.progress.begin("reading")
                done = await receive(source.pull(cursor), spool, self.progress.advance)
            await to_its_end(self.lock.verify)
            self.progress.begin("saving")
            saved = await result_of(
                lambda: snapshot(database, before, job, spool, done, began),
                name="saving", log=self.log, tick=self.progress.advance,
            )  # fmt: skip
            restored = await to_its_end(lambda: memberships_before(requests, spool, complete=done.complete))
        finally:
            spool.close()
        self._warn(spool)
        after = saved.directory
        report.changed = after.revision != before.revision
        report.skipped, report.failed, report.failures = saved.left_out, spool.unread, spool.unread_count
        report.pull = PullReport(
            done.complete, after.users, after.groups, after.memberships,
            round((recording.now() - began).total_seconds(), 3), saved.unclear.missing, saved.changed,
            saved.unclear.ambiguous, saved.accepted,
        )  # fmt: skip
        if not done.complete or spool.named:
            await self._read_again(requests, restored, after)

    async def _read_again(
        self, requests: Sequence[PullRun], restored: Sequence[Members], state: DirectoryState
    ) -> None:
        """Read the people again whose reading on request changed the snapshot since the last pull. A feed of changes
        need not report what came and left again between two pulls."""
        assert self.job.connector is not None  # noqa: S101 - a directory of the file has one
        if not requests:
            return
        async with source_context(self.folder, self.job, state, self.progress, self.log) as context:
            source = self.job.connector(self.job.directory.options, context)
            if isinstance(source, PersonSource):
                people = await read_people(
                    self.database, self.job, state, source, requests, restored, self.lock, self.log
                )
                self.report.changed = self.report.changed or people.changed

    def _open(self) -> DirectoryState:
        """The state of the directory, which is renamed first if that is due. A plan reads it under its old name."""
        name, was = self.job.directory.name, self.job.directory.was
        if was is not None and renaming.is_due(self.database, was, name):
            if not self.options.deliver:
                if renaming.merges(self.database, name):
                    raise UsersyncError(
                        MERGES.format(name, was), f"run `usersyncd sync {name}`: all people keep accounts"
                    )
                return open_directory(self.database, was)
            with self.lock.at_all_links():
                renaming.rename(self.database, was, name)
        return open_directory(self.database, name)

    def _complete(self, before: DirectoryState, now: datetime) -> bool:
        """Whether to read everything: because it is requested or due, or the directory is read differently now."""
        due = self.job.directory.complete
        return (
            self.options.complete
            or before.basis != self.job.basis
            or (due is not None and due.is_due(before.completed_at, now))
        )

    def _warn(self, spool: Spool) -> None:
        if spool.repaired_count:
            self.log.warning(
                "text is not valid Unicode: the characters that cannot be read were replaced by U+FFFD",
                event_name="pull.text_replaced", count=spool.repaired_count, first=spool.repaired[:REPAIRED_SHOWN],
            )  # fmt: skip
