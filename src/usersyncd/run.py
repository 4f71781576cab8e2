"""One run of one directory: pull → snapshot → shape → plan → guard → deliver, and nothing else.

What passes from step to step is in the state database, or in temporary files that vanish with the process. So a run may
be cancelled or killed anywhere: the next one goes on from what was saved last, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import structlog
from structlog.typing import FilteringBoundLogger
from ulid import ULID

from usersyncd.blocking import result_of, to_its_end
from usersyncd.config import Directory
from usersyncd.context import SourceRunContext
from usersyncd.core import summary
from usersyncd.core.plan import Hash
from usersyncd.core.report import PullReport, RunReport, TargetReport, status
from usersyncd.deliver.leaving import leaving
from usersyncd.deliver.run import Work
from usersyncd.errors import ConnectorError, UsersyncError
from usersyncd.job import Job, TargetRules
from usersyncd.options import RunOptions, Watch
from usersyncd.pull.receive import pull
from usersyncd.pull.save import keep, open_spool, snapshot
from usersyncd.state import journal, renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState, open_directory
from usersyncd.state.lock import Lock, locked
from usersyncd.state.records import purge

__all__ = ["RunOptions", "Watch", "log_line", "run", "voice"]

T = TypeVar("T")

DEADLINE = timedelta(hours=6)
"""How long a run may take: one that would go on for ever, page after page, is a silent stop."""
TOO_LONG = (
    f"ended after {DEADLINE.total_seconds() / 3600:.0f} hours, without an end in sight: what was delivered counts\n"
    "  → see in the log what it waited for; the next run goes on from the last saved state"
)
MENDED_SHOWN = 20
"""How many records with text that was mended the log names."""
MERGES = "{0} was read under this name before `was: {1}` stood there: a plan cannot show how the two become one"
STOPPED = "stopped before its end: the next run goes on from there"


def log_line(report: RunReport) -> None:
    """The one line that an operator reads of a run."""
    faults = list(summary.faults(report))
    more = {"faults": faults} if faults else {}
    voice(report)(summary.line(report), run=report.run, status=report.status, seconds=report.seconds, **more)


def voice(report: RunReport) -> Callable[..., object]:
    """The log's method for what is said of a run: as loud as it should be heard."""
    log = structlog.get_logger().bind(directory=report.directory)
    loud = {"failed": log.error, "held": log.warning, "partial": log.warning}
    found = log.info if report.error == STOPPED else loud.get(report.status, log.info)
    return cast("Callable[..., object]", found)


async def run(
    database: Database, folder: Path, job: Job, options: RunOptions, watch: Watch = lambda *_: None
) -> RunReport:
    """Run a directory once. ``folder`` is the configuration file's.

    What goes wrong in a run stands in its report. Raises LockedError when this directory is being run elsewhere,
    StateError when the state database cannot even take the report.
    """
    # What asks the state database does it in a thread: it may have to wait for the end of another directory's snapshot,
    # and that one needs the event loop; or for a server that does not answer.
    directory, began = job.directory, time.monotonic()
    async with _locked(database, directory) as lock:
        report = RunReport(directory.name, directory.connector, str(ULID()), "failed", _now().isoformat())
        report.only = options.target
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)
        try:
            if options.deliver:
                await to_its_end(lambda: journal.begin(database, report))
            async with asyncio.timeout(DEADLINE.total_seconds()) as deadline:
                await _Run(database, lock, folder, job, options, watch, log, report).steps()
        except UsersyncError as error:
            report.error = str(error)
        except TimeoutError as error:
            expired = deadline.expired()
            report.error = TOO_LONG if expired else _unexpected(error, f"connector {directory.connector}", log)
        except Exception as error:
            report.error = _unexpected(error, f"connector {directory.connector}", log)
        except asyncio.CancelledError:
            report.error = STOPPED
            raise
        finally:
            report.status = status(report, delivered=options.deliver)
            report.finished, report.seconds = _now().isoformat(), round(time.monotonic() - began, 3)
            if options.log:
                log_line(report)
            if options.deliver:
                await to_its_end(lambda: journal.finish(database, report))
    return report


@asynccontextmanager
async def _locked(database: Database, directory: Directory) -> AsyncIterator[Lock]:
    """The lock of the directory; and of the one that it was, as long as the state knows that one."""
    stack, was = ExitStack(), directory.was
    try:
        lock = await to_its_end(lambda: stack.enter_context(locked(database, directory.name)))
        if was is not None and await to_its_end(lambda: renaming.is_known(database, was)):
            await to_its_end(lambda: stack.enter_context(locked(database, was)))
        await to_its_end(lambda: stack.enter_context(database.kept_open()))
        yield lock
    finally:
        await to_its_end(stack.close)


@dataclass(frozen=True)
class _Run:
    database: Database
    lock: Lock
    folder: Path
    job: Job
    options: RunOptions
    watch: Watch
    log: FilteringBoundLogger
    report: RunReport
    seen: dict[str, int] = field(default_factory=dict)
    """The targets that were recognised, each with the number of its links."""

    async def steps(self) -> None:
        known = await to_its_end(self._open)
        reading = await self._read(known)
        for delivery in self._wanted(self.job.deliveries):
            await self._target(reading, delivery)
        for delivery in self._wanted(await to_its_end(lambda: self._leaving(reading))):
            await self._target(reading, delivery)
        plans = Hash()
        for target in self.report.targets:
            plans.add(f"{target.target} {target.plan}\n".encode())
        self.report.plan = str(plans)
        if self.options.deliver:
            await to_its_end(lambda: purge(self.database, reading.id))

    def _wanted(self, deliveries: Iterable[TargetRules]) -> list[TargetRules]:
        return [each for each in deliveries if self.options.target in (None, each.target.name)]

    def _open(self) -> DirectoryState:
        """The directory as it was read last, under its new name. A plan leaves it the old one, as its targets do."""
        name, was = self.job.directory.name, self.job.directory.was
        if was is not None and renaming.is_due(self.database, was, name):
            if not self.options.deliver:
                if renaming.merges(self.database, name):
                    raise UsersyncError(MERGES.format(name, was), f"`usersyncd sync {name}`: all keep their accounts")
                return open_directory(self.database, was)
            renaming.rename(self.database, was, name)
        return open_directory(self.database, name)

    async def _read(self, reading: DirectoryState) -> DirectoryState:
        """Pull and snapshot. A directory that is out of the file stays as it was read last."""
        began, now, job = time.monotonic(), _now(), self.job
        if job.connector is None:
            await to_its_end(lambda: keep(self.database, reading, job))
            return reading
        connector = job.connector
        context = SourceRunContext(
            name=job.directory.name, folder=self.folder, log=self.log, waiting=self._waiting, reads=job.reads,
            mapped=job.directory.attributes, last_cursor=reading.cursor,
        )  # fmt: skip
        spool = await to_its_end(lambda: open_spool(self.database, reading, job))
        try:
            async with context:
                source = connector(job.directory.options, context)
                cursor = None if self._complete(reading, now) else reading.cursor
                done = await pull(source, cursor, spool, lambda count: self.watch("reading", count))
            await to_its_end(self.lock.verify)
            saved = await self._thread(
                "saving", lambda: snapshot(self.database, reading, job, spool, done, self.options.missing, now)
            )
        finally:
            spool.close()
        after = saved.reading
        self.report.skipped = saved.left_out
        self.report.failed, self.report.failures = spool.unread, spool.unread_count
        if spool.mended_count:
            self.log.warning(
                "text is not valid Unicode: what cannot be read was replaced by U+FFFD",
                count=spool.mended_count, first=spool.mended[:MENDED_SHOWN],
            )  # fmt: skip
        self.report.pull = PullReport(
            done.complete, after.users, after.groups, after.memberships, round(time.monotonic() - began, 3),
            saved.unclear.missing, saved.changed, saved.unclear.ambiguous, saved.accepted,
        )  # fmt: skip
        return after

    def _complete(self, reading: DirectoryState, now: datetime) -> bool:
        """Whether to read everything: asked for, due, or because it is read in another way than last time."""
        due = self.job.directory.complete
        return (
            self.options.complete
            or reading.basis != self.job.basis
            or (due is not None and due.is_due(reading.completed_at, now))
        )

    def _leaving(self, reading: DirectoryState) -> list[TargetRules]:
        """The targets that do not list the directory, and of which something of it has to leave."""
        if len(self.seen) < len(self.job.deliveries) or reading.name != self.job.directory.name:
            return []  # A target that was not recognised may be the same one; and who is to be renamed does not leave.
        everyone = [each.target for each in (*self.job.deliveries, *self.job.leaving)]
        with self.database.read() as connection:
            found = leaving(connection, everyone, reading.name, self.seen, verify=self.options.verify)
        names = {one.target for one in found}
        return [each for each in self.job.leaving if each.target.name in names]

    async def _target(self, reading: DirectoryState, delivery: TargetRules) -> None:
        """Settle, shape, plan, guard and deliver for one target. Its failure is no other's."""
        began = time.monotonic()
        entries = sum(target.entries for target in self.report.targets)
        report = TargetReport(delivery.target.name, leaving=delivery.leaving)
        self.report.targets.append(report)
        work = Work(
            self.database, self.lock, self.folder, reading, delivery, self.options, self.watch, self.log,
            self.report.run, entries, self.seen, _now, self.job.targets,
            complete=self.report.pull is not None and self.report.pull.complete,
        )  # fmt: skip
        try:
            await work.steps(report)
        except UsersyncError as error:
            report.error = str(error)
        except Exception as error:
            report.error = _unexpected(error, f"connector {delivery.target.connector}", self.log)
        report.seconds = round(time.monotonic() - began, 3)

    def _waiting(self, text: str) -> None:
        self.watch(text, 0)

    async def _thread(self, step: str, work: Callable[[], Generator[None, None, T]]) -> T:
        """A step that works on the database, in a thread of its own, so that other directories go on."""
        self.watch(step, 0)
        return await result_of(work, name=step, log=self.log, tick=lambda: self.watch(step, 1))


def _unexpected(error: Exception, whose: str, log: FilteringBoundLogger) -> str:
    log.error("unexpected error", exc_info=error)
    fault = f"this is a fault of usersyncd or of the {whose}: report it with the log"
    return str(ConnectorError(f"unexpected: {type(error).__name__}: {error}", fault))


def _now() -> datetime:
    return datetime.now(UTC)
