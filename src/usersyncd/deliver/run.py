"""All steps for one target: recognise, settle, then shape → plan → guard → deliver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Set
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from usersyncd.blocking import result_of, to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.listing import Listing
from usersyncd.core.plan import first
from usersyncd.core.report import NAMED, TargetReport, Verified
from usersyncd.deliver import alike
from usersyncd.deliver.guard import CONSENTED, Judgement, guard
from usersyncd.deliver.leavers import look_for_replacements
from usersyncd.deliver.look import look, sees
from usersyncd.deliver.plan import Draft, Planning, complete_plan, draft_plan
from usersyncd.deliver.recognize import NOTHING, recognise
from usersyncd.deliver.renaming import rename
from usersyncd.deliver.send import Outcomes, deliver
from usersyncd.deliver.settle import link_earlier, settle_unanswered
from usersyncd.deliver.shield import shield_members, shield_records
from usersyncd.deliver.unknown import find_unknown
from usersyncd.deliver.verify import Verification
from usersyncd.errors import LockedError, TargetError
from usersyncd.job import TargetRules
from usersyncd.options import ALL, RunOptions, Watch
from usersyncd.plugin import Kind, Lookup, Target
from usersyncd.state import links, verifications
from usersyncd.state.addresses import Addresses
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.drift import Drift
from usersyncd.state.ledger import Book, Ledger
from usersyncd.state.lock import Lock
from usersyncd.state.renaming import old_names, waiting_for

T = TypeVar("T")

TURN = 0.2
"""Seconds between the attempts of a run that waits for a target."""


class Work:
    """One delivery of one run. ``entries``: the number of entries that the run's journal has already. ``seen``: the
    targets that this run recognised, each with the number of its links. ``configured``: the names of all targets.
    ``complete``: everything was read of the
    directory."""

    def __init__(
        self,
        database: Database,
        lock: Lock,
        folder: Path,
        reading: DirectoryState,
        delivery: TargetRules,
        options: RunOptions,
        watch: Watch,
        log: Any,
        run: str,
        entries: int,
        seen: dict[str, int],
        clock: Callable[[], datetime],
        configured: Set[str],
        *,
        complete: bool,
    ) -> None:
        self._database = database
        self._lock = lock
        self._folder = folder
        self._reading = reading
        self._delivery = delivery
        self._options = options
        self._watch = watch
        self._log = log
        self._run = run
        self._entries = entries
        self._seen = seen
        self._clock = clock
        self._configured = configured
        self._complete = complete
        self._number = 0
        """The number of the target, once it is recognised."""

    async def steps(self, report: TargetReport) -> None:
        """Run all steps and fill in ``report``. Raises UsersyncError."""
        delivery = self._delivery
        async with AsyncExitStack() as stack:
            context = await stack.enter_async_context(self._context())
            target = await stack.enter_async_context(connected(delivery, context))
            self._watch("looking", 0)
            found = await recognise(
                self._database,
                target,
                delivery.target.name,
                self._configured,
                self._turn,
                deliver=self._options.deliver,
            )
            self._number = found.number
            self._tell(report, found.note)
            if not self._is_first():
                return
            if self._options.deliver and delivery.shares_keys:
                await stack.enter_async_context(self._turn(self._number))
            now = self._clock()
            ledger = self._ledger(now)
            if self._options.deliver:
                await target.prepare()
                await self._rename(target, ledger)
            await self._verify_name()
            if self._options.deliver:
                await link_earlier(self._database, target, self._number, self._reading, delivery.rules.layouts)
            if not found.moved:
                await self._settle(target, ledger)
            report.counts, report.entries = ledger.settled, ledger.next - self._entries
            drift = Drift()
            stack.callback(drift.close)
            report.verified = await self._verify(target, context, now, drift)
            for note in await self._named_alike():
                self._tell(report, note)
            draft = await self._plan(target, context, now, report, drift)
            missing = False
            try:
                if self._options.deliver and not report.held:
                    if draft.consented:
                        ledger.consent()
                    missing = await self._deliver(target, draft, ledger, report)
                    if report.verified is not None:
                        await to_its_end(lambda: verifications.done(self._database, *self._pair, now))
            finally:
                draft.plan.close()
            if missing:
                await self._create_missing(target, context, now, ledger, report)

    async def _settle(self, target: Target, ledger: Ledger) -> None:
        layouts = self._delivery.rules.layouts
        await settle_unanswered(self._database, target, self._number, self._reading, ledger, layouts)

    async def _verify_name(self) -> None:
        """Raises TargetError if the target may still hold another directory under this one's name."""
        name = self._reading.name
        if other := await to_its_end(lambda: waiting_for(self._database, self._number, self._reading)):
            raise TargetError(
                f"{other} was called {name} before, and this target was not told yet: what it holds of {name} may be "
                f"{other}'s",
                f"run `usersyncd sync {other}` first; nothing was delivered",
            )

    async def _rename(self, target: Target, ledger: Ledger) -> None:
        """Tell the target the directory's new name, if it has one. What was sent before has the old one."""
        if await to_its_end(lambda: old_names(self._database, self._number, self._reading.id)):
            await self._settle(target, ledger)
            await rename(self._database, target, self._number, self._reading)

    def _tell(self, report: TargetReport, note: str | None) -> None:
        if note is not None:
            report.notes = [*report.notes, note]
            self._log.warning(note, target=self._delivery.target.name)

    def _is_first(self) -> bool:
        """Whether no other target of this run has the same links. One that lists the directory, too, is refused with
        TargetError; one that does not has nothing to let go of."""
        name = self._delivery.target.name
        others = [other for other, number in self._seen.items() if number == self._number != NOTHING]
        if others and not self._delivery.leaving:
            raise TargetError(
                f"this is the same target as {others[0]}, and both list the directory {self._reading.name}",
                "list the directory in one of them only, or give both in one target; nothing was delivered",
            )
        self._seen[name] = self._number
        return not others

    async def _named_alike(self) -> list[str]:
        """A plan says it always, a run when groups changed."""
        known = await self._asked(links.progress) if self._options.deliver else None
        since, rules = known.revision if known else None, self._delivery.rules
        return await to_its_end(lambda: alike.notes(self._database, self._reading, rules, since))

    @property
    def _pair(self) -> tuple[int, int]:
        """The numbers of directory and target."""
        return self._reading.id, self._number

    async def _verify(self, target: Target, context: TargetRunContext, now: datetime, drift: Drift) -> Verified | None:
        """Compare the target with the links, if that is asked for or due. None: it was not."""
        if not sees(target):
            if self._options.verify:
                self._log.warning(f"target {self._delivery.target.name} is not verified: its objects cannot be read")
            return None
        fewer = False
        if self._complete and await self._asked(links.progress) is not None:
            fewer = await find_unknown(self._database, target, context, self._number, self._reading)
        last, schedule = await self._asked(verifications.latest), self._delivery.target.verify
        due = (
            last.wanted
            or (fewer and self._options.complete)
            or (schedule is not None and schedule.is_due(last.at, now))
        )
        if not (due or self._options.verify):
            return None
        self._watch("verifying", 0)
        if self._options.deliver:
            # Until it is delivered: what is held, or interrupted, is verified again.
            await to_its_end(lambda: verifications.want(self._database, *self._pair))
        rules, adopt = self._delivery.target.drift, self._options.adopt
        step = Verification(
            self._database, target, context, self._number, self._reading, rules,
            self._delivery.rules.leaver_attributes, drift, lambda id_: id_ in adopt,
        )  # fmt: skip
        return await step.run(lambda count: self._watch("verifying", count))

    async def _asked(self, query: Callable[[Connection, int, int], T]) -> T:
        """What the state knows of this directory and target."""

        def ask() -> T:
            with self._database.read() as connection:
                return query(connection, *self._pair)

        return await to_its_end(ask)

    def _context(self) -> TargetRunContext:
        target = self._delivery.target
        return TargetRunContext(
            name=target.name,
            folder=self._folder,
            log=self._log.bind(target=target.name),
            waiting=lambda text: self._watch(text, 0),
            layouts=self._delivery.rules.layouts,
            directories=target.directories,
            protection=target.protect,
            earlier=self._earlier,
        )

    def _earlier(self, kind: Kind) -> Iterator[Lookup]:
        with self._database.read() as connection:
            yield from links.earlier(connection, self._number, kind, self._delivery.rules.layouts[kind].key)

    def _ledger(self, now: datetime) -> Ledger:
        target = self._delivery.target
        book = Book(self._number, target.name, self._reading.id, self._run, target.guard)
        return Ledger(self._database, self._lock, book, self._delivery.rules.layouts, now, self._entries)

    @asynccontextmanager
    async def _turn(self, number: int) -> AsyncIterator[None]:
        """Wait until no other directory is being delivered to a target in which all directories share the keys: a plan
        that is made meanwhile would not know which record has which key."""
        stack = ExitStack()
        try:
            while True:
                try:
                    await to_its_end(lambda: stack.enter_context(self._lock.at_target(number)))
                    break
                except LockedError:
                    name = self._delivery.target.name
                    self._watch(f"waiting for another directory that is being delivered to {name}", 0)
                    await asyncio.sleep(TURN)
            yield
        finally:
            await to_its_end(stack.close)

    async def _plan(
        self, target: Target, context: TargetRunContext, now: datetime, report: TargetReport, drift: Drift
    ) -> Draft:
        planning = Planning(
            self._reading, self._delivery, self._number, now, sees(target), self._options.deliver, self._options.adopt,
            self._options.exceed,
        )  # fmt: skip
        draft = await self._thread("planning", lambda: draft_plan(self._database, planning, drift))
        try:
            named = self._options.adopt - {ALL}
            seen = await look(target, context, self._reading.name, draft.plan, named)
            if sees(target):
                key = context.layouts[Kind.USER].key
                await look_for_replacements(target, key, self._reading.name, draft.plan, named, seen)
            drift.missing.update(seen.absent)
            draft.fail_all(seen.refused)
            draft.fail_all(await shield_records(target, context, draft.plan))
            await self._thread("planning", lambda: complete_plan(self._database, planning, draft))
            draft.fail_all(await shield_members(target, context, draft.plan))
            judgement = await self._judge(planning, draft, report.verified)
            report.guard, report.harm, report.held = judgement.violations, judgement.harm, judgement.held
            draft.consented = judgement.consented
            report.plan = await to_its_end(draft.plan.hash)
            self._describe(report, draft)
        except BaseException:
            draft.plan.close()
            raise
        self._watch("planned", len(draft.plan))
        return draft

    async def _judge(self, planning: Planning, draft: Draft, verified: Verified | None) -> Judgement:
        if self._delivery.leaving and self._reading.name in self._options.forget:
            return CONSENTED
        return await to_its_end(lambda: guard(self._database, planning, draft, verified))

    def _describe(self, report: TargetReport, draft: Draft) -> None:
        report.planned = draft.plan.counts
        report.failed, report.failures = draft.failed[:NAMED], len(draft.failed)
        report.skipped = draft.skipped
        if not self._options.deliver:
            report.counts = draft.plan.counts
        if self._options.changes != 0:
            report.changes = Listing(first(draft.changes(), self._options.changes))

    async def _create_missing(
        self, target: Target, context: TargetRunContext, now: datetime, ledger: Ledger, report: TargetReport
    ) -> None:
        """Plan and deliver once more what failed, as objects were not in the target any more: they are created now."""
        second = TargetReport(report.target, report.counts, leaving=report.leaving)
        draft = await self._plan(target, context, now, second, Drift())
        try:
            if not second.held:
                try:
                    await self._deliver(target, draft, ledger, second)
                finally:
                    report.counts, report.entries = second.counts, second.entries
                    report.failed, report.failures = second.failed, second.failures
        finally:
            draft.plan.close()

    async def _deliver(self, target: Target, draft: Draft, ledger: Ledger, report: TargetReport) -> bool:
        """Returns whether objects were not in the target any more."""
        outcomes = Outcomes(report.counts)
        number, addresses = self._number, Addresses(self._database, self._number)
        await to_its_end(lambda: self._begin(draft))
        self._watch("delivering", 0)
        try:
            await deliver(
                target, draft.plan, ledger, addresses, outcomes, lambda count: self._watch("delivering", count)
            )
        finally:
            report.counts = outcomes.counts
            report.entries = ledger.next - self._entries
            report.failed = (draft.failed + outcomes.failed)[:NAMED]
            report.failures = len(draft.failed) + len(outcomes.failed)
        again = draft.again | outcomes.again | ledger.displaced
        await to_its_end(lambda: links.finish(self._database, self._reading.id, number, draft.reached, again))
        return outcomes.missing

    def _begin(self, draft: Draft) -> None:
        """Bring the links up to what the target was found to hold. Mark the groups whose members are about to change:
        after an interruption, the next plan looks at them again."""
        with self._database.write() as connection:
            draft.drift.apply(connection, self._number)
            links.retry(connection, self._number, draft.plan.member_groups())

    async def _thread(self, step: str, work: Callable[[], Generator[None, None, T]]) -> T:
        """Run a step on the database in a separate thread, so that other directories continue."""
        self._watch(step, 0)
        return await result_of(work, name=step, log=self._log, tick=lambda: self._watch(step, 1))


@asynccontextmanager
async def connected(delivery: TargetRules, context: TargetRunContext) -> AsyncIterator[Target]:
    """The connector of the target, closed on exit."""
    target = delivery.connector(delivery.target.options, context)
    try:
        yield target
    finally:
        await target.close()
