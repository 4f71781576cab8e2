"""Records that a directory could not be pulled at all, so that its status says why."""

from __future__ import annotations

import structlog
from ulid import ULID

from usersyncd import recording
from usersyncd.core.report import Cause, PullRun
from usersyncd.errors import UsersyncError
from usersyncd.job import PullJob
from usersyncd.options import RunOptions
from usersyncd.pull.beginning import locked_directory
from usersyncd.state.database import Database


async def not_pulled(
    database: Database, job: PullJob, error: UsersyncError, cause: Cause, options: RunOptions
) -> PullRun:
    """The run of a directory that failed with this error before it began: a directory that pushes takes nothing,
    because its tokens cannot be used. Raises LockedError, StateError."""
    directory = job.directory
    async with locked_directory(database, job):
        report = PullRun(directory.name, directory.connector, str(ULID()), "failed", recording.now().isoformat(), cause)
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)
        async with recording.recorded(database, report, options, log):
            raise error
    return report
