"""The state of one delivery under way, which all its steps use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from structlog.typing import FilteringBoundLogger

from usersyncd.blocking import result_of, to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.approvals import Decisions
from usersyncd.core.report import DeliveryRun, TargetReport
from usersyncd.job import DeliveryJob, TargetRules
from usersyncd.options import RunOptions
from usersyncd.plugin import Kind, Lookup, Target
from usersyncd.progress import Progress, Step
from usersyncd.state import links
from usersyncd.state.database import Connection, Database, Steps
from usersyncd.state.held_members import members_of_object
from usersyncd.state.lock import Lock

T = TypeVar("T")


@dataclass(kw_only=True)
class Work:
    """One delivery under way.

    ``number``: that of the target's set of links; ``decisions``: those in force about harmful changes, by the
    directory's name in the state. Both are set after the target is recognized. ``reports``: the report of each share,
    by the same name.
    """

    database: Database
    lock: Lock
    folder: Path
    job: DeliveryJob
    options: RunOptions
    progress: Progress
    log: FilteringBoundLogger
    report: DeliveryRun
    now: datetime
    number: int = 0
    reports: dict[str, TargetReport] = field(default_factory=dict)
    decisions: Mapping[str, Decisions] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The target's name."""
        return self.job.target.name

    @property
    def may_skip(self) -> bool:
        """Whether the delivery may end when the state says that there is nothing to do."""
        requested = self.options.verify or self.options.complete or self.report.cause == "manual"
        return self.options.deliver and not requested

    @asynccontextmanager
    async def at_links(self, number: int) -> AsyncIterator[None]:
        """Lock a set of links. Raises LockedError if another delivery has it."""
        stack = ExitStack()
        try:
            await to_its_end(lambda: stack.enter_context(self.lock.at_links(number)))
            yield
        finally:
            await to_its_end(stack.close)

    def is_chosen(self, directory: str) -> bool:
        """Whether this directory is delivered."""
        return self.options.directories is None or directory in self.options.directories

    def warn(self, note: str | None, share: str | None = None) -> None:
        """Add a warning to the report of the target, or of one share of it, and to the log. None: no warning."""
        if note is None:
            return
        report: DeliveryRun | TargetReport = self.report if share is None else self.reports[share]
        report.notes = [*report.notes, note]
        self.log.warning(note, event_name="delivery.note", target=self.name)

    async def ask(self, query: Callable[[Connection], T]) -> T:
        """The result of a query of the state, which runs in a separate thread."""

        def read() -> T:
            with self.database.read() as connection:
                return query(connection)

        return await to_its_end(read)

    async def thread(self, step: Step, work: Callable[[], Steps[T]]) -> T:
        """Run a step on the database in a separate thread, so that other runs continue."""
        self.progress.begin(step)
        return await result_of(work, name=step, log=self.log, tick=self.progress.advance)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Target, TargetRunContext]]:
        """The target's connector and its context."""
        async with connected(
            self.job.rules, self.folder, self.log, waiting=self.progress.wait, earlier=self._earlier,
            members_by_link=self._members_of,
        ) as pair:  # fmt: skip
            yield pair

    def _earlier(self, kind: Kind) -> Iterator[Lookup]:
        key = self.job.rules.rules.layouts[kind].key
        with self.database.read() as connection:
            yield from links.earlier(connection, self.number, kind, key)

    def _members_of(self, group: str) -> Sequence[tuple[Kind, str]]:
        with self.database.read() as connection:
            return members_of_object(connection, self.number, group)


@asynccontextmanager
async def connected(
    rules: TargetRules, folder: Path, log: FilteringBoundLogger, **more: Any
) -> AsyncIterator[tuple[Target, TargetRunContext]]:
    """The connector of a target and its context, closed on exit. ``more``: fields that a delivery sets in the
    context."""
    target = rules.target
    context = TargetRunContext(
        name=target.name, folder=folder, log=log, layouts=rules.rules.layouts, directories=target.directories,
        protection=target.protect, **more,
    )  # fmt: skip
    async with context:
        connector = rules.connector(target.options, context)
        try:
            yield connector, context
        finally:
            await connector.close()
