"""One delivery to one target: shape → plan → guard → deliver, for all its directories in one plan, and nothing else.

The steps pass their results on in the state database, or in temporary files that vanish with the process. So a delivery
may be cancelled or killed anywhere: the next one continues after the last acknowledged change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import structlog
from msgspec import structs
from ulid import ULID

from usersyncd import recording
from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.plan import Hash
from usersyncd.core.report import Cause, DeliveryRun, TargetReport
from usersyncd.deliver import ambiguous_groups, stream
from usersyncd.deliver.find_shares import find_shares, listed, open_drift
from usersyncd.deliver.guarded_plan import plan_within_guard
from usersyncd.deliver.prepare import prepare
from usersyncd.deliver.recognize import recognize
from usersyncd.deliver.send import send_plan
from usersyncd.deliver.share import Share
from usersyncd.deliver.uptodate import is_up_to_date
from usersyncd.deliver.verify import verify
from usersyncd.deliver.work import Work
from usersyncd.job import DeliveryJob
from usersyncd.options import RunOptions
from usersyncd.plugin import Target
from usersyncd.progress import Progress
from usersyncd.state import approvals, directories, journal, moments, pending, progress_store, verifications
from usersyncd.state.database import Database
from usersyncd.state.ledger import Book, Ledger
from usersyncd.state.lock import TARGET, Lock, locked
from usersyncd.state.records import purge


async def deliver(
    database: Database,
    folder: Path,
    job: DeliveryJob,
    options: RunOptions,
    cause: Cause = "manual",
    progress: Progress | None = None,
    pulls: Sequence[str] = (),
) -> DeliveryRun:
    """Deliver to a target once what changed in any of its directories.

    ``folder``: that of the configuration file. ``pulls``: the ids of the pulls that this delivery follows. An error of
    the run is in its report; an error of one directory, in its share. Raises LockedError if another process delivers to
    this target, StateError if the report cannot be stored.
    """
    target = job.target
    async with _locked(database, target.name) as lock:
        report = DeliveryRun(target.name, target.connector, str(ULID()), "failed", recording.now().isoformat(), cause)
        report.pulls = list(pulls)
        report.only = None if options.directories is None else sorted(options.directories)
        report.targets = [
            TargetReport(target.name, directory=name, run=report.run)
            for name in job.shares
            if options.directories is None or name in options.directories
        ]
        log = structlog.get_logger().bind(target=target.name, run=report.run)
        async with recording.recorded(database, report, options, log):
            work = Work(
                database=database, lock=lock, folder=folder, job=job, options=options,
                progress=progress or Progress(), log=log, report=report, now=recording.now(),
            )  # fmt: skip
            async with work.connected() as (connector, context):
                await _steps(work, connector, context)
    return report


@asynccontextmanager
async def _locked(database: Database, target: str) -> AsyncIterator[Lock]:
    stack = ExitStack()
    try:
        lock = await to_its_end(lambda: stack.enter_context(locked(database, TARGET, target)))
        await to_its_end(lambda: stack.enter_context(database.kept_open()))
        yield lock
    finally:
        await to_its_end(stack.close)


async def _steps(work: Work, target: Target, context: TargetRunContext) -> None:
    work.progress.begin("preparing")
    found = await recognize(work, target)
    async with AsyncExitStack() as stack:
        if work.options.deliver:
            await stack.enter_async_context(work.at_links(found.number))
            if target.capabilities.journalled:
                await stream.open_stream(work)
        shares = await find_shares(work, target, stack)
        if work.may_skip and await work.ask(lambda connection: is_up_to_date(connection, work, shares)):
            for report in work.reports.values():
                report.plan = str(Hash())
        else:
            ledger = await _open_ledger(work)
            shares = await prepare(work, target, shares, ledger, moved=found.moved)
            await _bring_up_to_date(work, target, context, shares, ledger)
        if work.options.deliver:
            if target.capabilities.journalled:
                await stream.prune(work)
            work.report.due = await _next_due(work)


async def _bring_up_to_date(
    work: Work, target: Target, context: TargetRunContext, shares: Sequence[Share], ledger: Ledger
) -> None:
    chosen = [share for share in shares if share.is_chosen]
    aside = [share for share in shares if not share.is_chosen]
    for share in chosen:
        report = work.reports[share.name]
        report.counts, report.entries = ledger.resolved[share.name], ledger.entries[share.name]
        await _inspect(work, target, context, share)
    if await _deliver(work, target, context, chosen, aside, ledger):
        await _create_missing(work, target, context, chosen, aside, ledger)
    if work.options.deliver:
        await _finish(work, chosen)


async def _open_ledger(work: Work) -> Ledger:
    work.decisions = await work.ask(lambda connection: approvals.by_directory(connection, work.number, work.now))
    numbers = await work.ask(directories.numbers)
    published = await stream.publication(work)
    book = Book(work.number, work.name, numbers, work.report.run, work.job.target.guard, published)
    return Ledger(work.database, work.lock, book, work.job.rules.rules.layouts, work.now, work.decisions)


async def _inspect(work: Work, target: Target, context: TargetRunContext, share: Share) -> None:
    """Verify a share if that is due, and warn of groups with the same name: a plan warns always, a delivery only if
    groups changed."""
    work.reports[share.name].verified = await verify(work, target, context, share)
    done = await work.ask(lambda connection: progress_store.load(connection, share.directory.id, work.number))
    since = done.revision if done is not None and work.options.deliver else None
    rules = share.rules.rules
    for note in await to_its_end(lambda: ambiguous_groups.warnings(work.database, share.directory, rules, since)):
        work.warn(note, share.name)


async def _deliver(
    work: Work,
    target: Target,
    context: TargetRunContext,
    chosen: Sequence[Share],
    aside: Sequence[Share],
    ledger: Ledger,
) -> bool:
    """Plan the chosen shares and send what the guard allows. Returns whether the target lacked objects of links."""
    plan = await plan_within_guard(work, target, context, chosen, aside)
    if plan is None:
        return False
    try:
        if not work.options.deliver:
            return False
        if any(report.approved for report in work.reports.values()):
            # Events name who approved, and may be sent before this run ends.
            await to_its_end(lambda: journal.note(work.database, work.report))
        return await send_plan(work, target, plan, ledger)
    finally:
        plan.store.close()


async def _create_missing(
    work: Work,
    target: Target,
    context: TargetRunContext,
    chosen: Sequence[Share],
    aside: Sequence[Share],
    ledger: Ledger,
) -> None:
    """Plan and send once more the records whose objects the target lacked: the objects are created now."""
    reports = work.reports
    work.reports = {name: structs.replace(TargetReport(work.name), counts=one.counts) for name, one in reports.items()}
    with ExitStack() as stack:
        fresh = [structs.replace(share, drift=open_drift(stack)) for share in chosen]
        going = [share for share in fresh if not reports[share.name].held]
        held = [share for share in fresh if reports[share.name].held]
        try:
            await _deliver(work, target, context, going, [*aside, *held], ledger)
        finally:
            for name, second in work.reports.items():
                if second.plan is not None and not second.held:
                    reports[name].counts, reports[name].entries = second.counts, second.entries
                    reports[name].failed, reports[name].failures = second.failed, second.failures
            work.reports = reports


async def _finish(work: Work, shares: Sequence[Share]) -> None:
    """Note which shares were verified. Forget deleted records that no target holds, and passed dates of directories
    that the target does not list any more."""
    for share in shares:
        report = work.reports[share.name]
        if not report.held:
            if report.verified is not None:
                await to_its_end(lambda: verifications.done(work.database, share.directory.id, work.number, work.now))  # noqa: B023
            await to_its_end(lambda: purge(work.database, share.directory.id))  # noqa: B023
    if await work.ask(lambda connection: moments.is_any_due(connection, work.number, work.now)):
        await to_its_end(lambda: _forget_dates(work))


def _forget_dates(work: Work) -> None:
    with work.database.write() as connection:
        moments.drop_due(connection, work.number, work.now, listed(connection, work))


async def _next_due(work: Work) -> str | None:
    """When the target has something to do without a pull."""
    kept = work.job.target.leavers.delete_after
    due = await work.ask(lambda connection: pending.next_due(connection, work.number, kept))
    return None if due is None else due.isoformat()
