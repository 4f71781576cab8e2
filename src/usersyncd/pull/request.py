"""One pull of one person, because somebody asked for it: lock → read → spool → snapshot, as any pull.

What it changes is delivered afterwards as after any pull, under the same rules and the same guard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog
from ulid import ULID

from usersyncd import recording
from usersyncd.blocking import to_its_end
from usersyncd.core.report import PullReport, PullRun
from usersyncd.core.storable_text import escaped
from usersyncd.job import PullJob
from usersyncd.options import RunOptions
from usersyncd.plugin import Members
from usersyncd.progress import Progress
from usersyncd.pull.beginning import locked_directory, source_context
from usersyncd.pull.person import read_person, readable_state, verify_name
from usersyncd.pull.receive import LONGEST
from usersyncd.state import journal
from usersyncd.state.database import Database


async def pull_person(
    database: Database,
    folder: Path,
    job: PullJob,
    person: str,
    by: str,
    options: RunOptions = RunOptions(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> PullRun:
    """Pull one person of a directory. ``person``: id, handle, user name, email, key or target id; ``by``: who asked.

    An error of the run is in its report: its ``code`` says whether the person is unknown (``unknown_person``),
    ambiguous (``ambiguous_person``), or can only be read by a pull of the whole directory (``whole_pull``). A run that
    changed nothing, or found nobody, is not in the history. Raises LockedError if another process pulls this
    directory, StateError if the report cannot be stored.
    """
    directory, progress = job.directory, progress or Progress()
    async with locked_directory(database, job) as lock:
        report = PullRun(
            directory.name, directory.connector, str(ULID()), "failed", recording.now().isoformat(), "request",
            by=by, person=escaped(person)[:LONGEST],
        )  # fmt: skip
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)

        def note(ids: list[str], changes: Sequence[Members]) -> None:
            report.people = ids
            report.entered = {item.group: sorted(item.added) for item in changes if item.added}
            report.left = {item.group: sorted(item.removed) for item in changes if item.removed}
            if options.deliver:
                journal.note(database, report)

        async with recording.recorded(database, report, options, log):
            began = recording.now()
            verify_name(directory.name, person)
            state = await to_its_end(lambda: readable_state(database, job))
            assert job.connector is not None  # noqa: S101 - a directory of the file has one
            progress.begin("reading")
            async with source_context(folder, job, state, progress, log) as context:
                source = job.connector(directory.options, context)
                found = await read_person(database, job, state, source, person, lock, log, note)
            after, unclear = found.saved.directory, found.saved.unclear
            report.changed, report.skipped = found.changed, found.skipped
            report.failed, report.failures = found.failed, len(found.failed)
            report.pull = PullReport(
                False, after.users, after.groups, after.memberships,
                round((recording.now() - began).total_seconds(), 3), unclear.missing, found.saved.changed,
                unclear.ambiguous, found.saved.accepted,
            )  # fmt: skip
    return report
