"""One run of one directory: pull → snapshot → shape → plan → guard → deliver, and nothing else.

What passes from step to step is in the state database, or in temporary files that vanish with the process. So a run may
be cancelled or killed anywhere: the next one goes on from what was saved last, and nothing is lost.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

import structlog
from structlog.typing import FilteringBoundLogger
from ulid import ULID

from usersyncd.blocking import result_of, to_its_end
from usersyncd.context import SourceRunContext, TargetRunContext
from usersyncd.core import summary
from usersyncd.core.listing import Listing
from usersyncd.core.plan import Hash, first
from usersyncd.core.report import NAMED, PullReport, RunReport, TargetReport, status
from usersyncd.errors import LockedError, UsersyncError
from usersyncd.job import Delivery, Job
from usersyncd.plugin import Target
from usersyncd.state import delivered, journal
from usersyncd.state.acknowledge import Acknowledger
from usersyncd.state.database import Database
from usersyncd.state.directories import Reading, open_directory
from usersyncd.state.lock import Lock, locked
from usersyncd.state.records import purge
from usersyncd.steps.deliver import Outcomes, deliver
from usersyncd.steps.guard import guard
from usersyncd.steps.plan import Draft, plan
from usersyncd.steps.pull import pull
from usersyncd.steps.snapshot import open_spool, snapshot

T = TypeVar("T")

Watch = Callable[[str, int], None]
"""Is told how a run goes on: the step (``reading``, ``saving``, ``planning``, ``planned``, ``delivering``), and how
much more of it is done: items read, changes planned for a target, changes delivered to it. A wait, for a provider or
for another directory, is told in words, which begin with ``waiting``."""

TURN = 0.2
"""Seconds after which a run that waits for its turn at a target looks again."""
DEADLINE = timedelta(hours=6)
"""How long a run may take: one that would go on for ever, page after page, is a silent stop."""
TOO_LONG = (
    f"ended after {DEADLINE.total_seconds() / 3600:.0f} hours, without an end in sight: what was delivered counts\n"
    "  → see in the log what it waited for; the next run goes on from the last saved state"
)
STOPPED = "stopped before its end: the next run goes on from there"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of a run. Without ``deliver`` no target is changed. ``complete``: read everything again.
    ``changes``: how many changes of each sort the report lists for each target; None: all. ``log``: whether the log
    gets the run's one line; a person who is shown the report needs it not."""

    deliver: bool = True
    complete: bool = False
    changes: int | None = 0
    log: bool = True


def log_line(report: RunReport) -> None:
    """The one line that an operator reads of a run."""
    faults = list(summary.faults(report))
    more = {"faults": faults} if faults else {}
    voice(report)(summary.line(report), run=report.run, status=report.status, seconds=round(report.seconds, 2), **more)


def voice(report: RunReport) -> Callable[..., object]:
    """The log's method for what is said of a run: as loud as it should be heard."""
    log = structlog.get_logger().bind(directory=report.directory)
    loud = {"failed": log.error, "held": log.warning, "partial": log.warning}
    found = log.info if report.error == STOPPED else loud.get(report.status, log.info)
    return cast("Callable[..., object]", found)


async def run(database: Database, folder: Path, job: Job, wish: Wish, watch: Watch = lambda *_: None) -> RunReport:
    """Run a directory once. ``folder`` is the configuration file's.

    What goes wrong in a run stands in its report. Raises LockedError when this directory is being run elsewhere,
    StateError when the state database cannot even take the report.
    """
    # What asks the state database does it in a thread: it may have to wait for the end of another directory's snapshot,
    # and that one needs the event loop; or for a server that does not answer.
    directory = job.directory
    async with _locked(database, directory.name) as lock:
        report = RunReport(directory.name, directory.connector, str(ULID()), "failed", _now().isoformat())
        log = structlog.get_logger().bind(directory=directory.name, run=report.run)
        try:
            if wish.deliver:
                await to_its_end(lambda: journal.begin(database, report))
            async with asyncio.timeout(DEADLINE.total_seconds()) as deadline:
                await _Run(database, lock, folder, job, wish, watch, log, report).steps()
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
            report.status = status(report, delivered=wish.deliver)
            report.finished = _now().isoformat()
            if wish.log:
                log_line(report)
            if wish.deliver:
                await to_its_end(lambda: journal.finish(database, report))
    return report


@asynccontextmanager
async def _locked(database: Database, directory: str) -> AsyncIterator[Lock]:
    stack = ExitStack()
    try:
        lock = await to_its_end(lambda: stack.enter_context(locked(database, directory)))
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
    wish: Wish
    watch: Watch
    log: FilteringBoundLogger
    report: RunReport

    async def steps(self) -> None:
        known = await to_its_end(lambda: open_directory(self.database, self.job.directory.name))
        reading = await self._read(known)
        for delivery in self.job.deliveries:
            await self._target(reading, delivery)
        plans = Hash()
        for target in self.report.targets:
            plans.add(f"{target.target} {target.plan}\n".encode())
        self.report.plan = str(plans)
        if self.wish.deliver:
            await to_its_end(lambda: purge(self.database, reading.id))

    async def _read(self, reading: Reading) -> Reading:
        """Pull and snapshot."""
        began, now, job = time.monotonic(), _now(), self.job
        context = SourceRunContext(
            name=job.directory.name, folder=self.folder, log=self.log, waiting=self._waiting, reads=job.reads
        )
        spool = await to_its_end(lambda: open_spool(self.database, reading, job))
        try:
            async with context:
                source = job.connector(job.directory.options, context)
                cursor = None if self._complete(reading, now) else reading.cursor
                done = await pull(source, cursor, spool, lambda count: self.watch("reading", count))
            await to_its_end(self.lock.verify)
            saved = await self._thread("saving", lambda: snapshot(self.database, reading, job, spool, done, now))
        finally:
            spool.close()
        after = saved.reading
        self.report.skipped = saved.left_out
        self.report.pull = PullReport(
            done.complete, after.users, after.groups, after.memberships, round(time.monotonic() - began, 3),
            saved.unresolved, saved.changed,
        )  # fmt: skip
        return after

    def _complete(self, reading: Reading, now: datetime) -> bool:
        """Whether to read everything: asked for, due, or because it is read in another way than last time."""
        due = self.job.directory.complete
        return (
            self.wish.complete
            or reading.basis != self.job.basis
            or (due is not None and due.is_due(reading.completed_at, now))
        )

    async def _target(self, reading: Reading, delivery: Delivery) -> None:
        """Shape, plan, guard and deliver for one target. Its failure is no other's."""
        began = time.monotonic()
        report = TargetReport(delivery.target.name)
        self.report.targets.append(report)
        try:
            async with self._turn(delivery):
                now = _now()
                draft = await self._thread("planning", lambda: plan(self.database, reading, delivery, now))
                try:
                    report.guard = await to_its_end(lambda: guard(self.database, reading, delivery, draft.plan.counts))
                    report.plan = await to_its_end(draft.plan.hash)
                    self._describe(report, draft)
                    self.watch("planned", len(draft.plan))
                    if self.wish.deliver and not report.held:
                        await self._deliver(reading, delivery, draft, report, now)
                finally:
                    draft.plan.close()
        except UsersyncError as error:
            report.error = str(error)
        except Exception as error:
            report.error = _unexpected(error, f"connector {delivery.target.connector}", self.log)
        report.seconds = round(time.monotonic() - began, 3)

    @asynccontextmanager
    async def _turn(self, delivery: Delivery) -> AsyncIterator[None]:
        """Our turn at a target where all directories share the keys: a plan that is made while another directory is
        being delivered does not know yet whose they are."""
        name, stack = delivery.target.name, ExitStack()
        try:
            while self.wish.deliver and delivery.shares_keys:
                try:
                    await to_its_end(lambda: stack.enter_context(self.lock.at_target(name)))
                    break
                except LockedError:
                    self.watch(f"waiting for another directory that is being delivered to {name}", 0)
                    await asyncio.sleep(TURN)
            yield
        finally:
            await to_its_end(stack.close)

    def _describe(self, report: TargetReport, draft: Draft) -> None:
        report.held = bool(report.guard)
        report.planned = draft.plan.counts
        report.failed, report.failures = draft.failed[:NAMED], len(draft.failed)
        report.skipped = draft.skipped
        if not self.wish.deliver:
            report.counts = draft.plan.counts
        if self.wish.changes != 0:
            report.changes = Listing(first(draft.plan.changes(), self.wish.changes))

    async def _deliver(
        self, reading: Reading, delivery: Delivery, draft: Draft, report: TargetReport, now: datetime
    ) -> None:
        name, layouts = delivery.target.name, delivery.rules.layouts
        context = TargetRunContext(
            name=name, folder=self.folder, log=self.log.bind(target=name), waiting=self._waiting, layouts=layouts,
            directories=delivery.target.directories,
        )  # fmt: skip
        entries = sum(target.entries for target in self.report.targets)
        acknowledger = Acknowledger(self.database, self.lock, self.report.run, name, layouts, now, entries)
        outcomes = Outcomes(layouts)
        await to_its_end(lambda: delivered.begin(self.database, name, draft.plan.member_groups()))
        self.watch("delivering", 0)
        try:
            async with context, connected(delivery, context) as target:
                await deliver(target, draft.plan, acknowledger, outcomes, lambda count: self.watch("delivering", count))
        finally:
            report.counts = outcomes.counts
            report.entries = acknowledger.next - entries
            report.failed = (draft.failed + outcomes.failed)[:NAMED]
            report.failures = len(draft.failed) + len(outcomes.failed)
        again = draft.again | outcomes.again
        await to_its_end(lambda: delivered.finish(self.database, reading.id, name, draft.reached, again))

    def _waiting(self, text: str) -> None:
        self.watch(text, 0)

    async def _thread(self, step: str, work: Callable[[], Generator[None, None, T]]) -> T:
        """A step that works on the database, in a thread of its own, so that other directories go on."""
        self.watch(step, 0)
        return await result_of(work, name=step, log=self.log, tick=lambda: self.watch(step, 1))


@asynccontextmanager
async def connected(delivery: Delivery, context: TargetRunContext) -> AsyncIterator[Target]:
    """The target's connector, which is closed in the end."""
    target = delivery.connector(delivery.target.options, context)
    try:
        yield target
    finally:
        await target.close()


def _unexpected(error: Exception, whose: str, log: FilteringBoundLogger) -> str:
    log.error("unexpected error", exc_info=error)
    return (
        f"unexpected: {type(error).__name__}: {error}\n  → this is a fault of usersyncd or of the {whose}: "
        "report it with the log"
    )


def _now() -> datetime:
    return datetime.now(UTC)
