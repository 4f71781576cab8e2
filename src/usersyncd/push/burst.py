"""A burst of requests: one run of the history, from the first request until none comes any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from structlog.typing import FilteringBoundLogger
from ulid import ULID

from usersyncd import recording
from usersyncd.blocking import to_its_end
from usersyncd.core.report import PullReport, PullRun
from usersyncd.errors import LockedError, StateError
from usersyncd.job import PullJob
from usersyncd.options import RunOptions
from usersyncd.push.commit import Committed, commit
from usersyncd.push.queue import Request, RequestQueue
from usersyncd.scim.errors import ScimError
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState, open_directory
from usersyncd.state.lock import DIRECTORY, Lock, locked

BATCH = 200
"""How many requests are saved together at most."""
GATHERING = 0.003
"""Seconds that a batch waits for more requests, if the last one had several: the answers to these bring the next ones,
and a batch of 25 costs little more than one of 12."""
QUIET = 3.0
"""Seconds without a request after which a burst ends."""
LONGEST = 60.0
"""Seconds after which a burst ends in any case."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between attempts to get the lock of the directory. The pause doubles each time."""
PAUSE = 1.0
"""Seconds without a new attempt after an error of the state database."""
RENAMED = "the directory has another name now, and its records get it with its first pull"
ENDED = "usersyncd has ended"
UNUSABLE = "the state database cannot be used"
CRASHED = "an unexpected error: this is a fault of usersyncd, and its log has the details"


class Burst:
    """Saves the requests of a directory for a while. It holds the directory's lock, as a pull does."""

    def __init__(
        self,
        database: Database,
        job: PullJob,
        queue: RequestQueue,
        pushed: Callable[[str], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._database = database
        self._job = job
        self._queue = queue
        self._pushed = pushed
        directory = job.directory
        self._report = PullRun(
            directory.name, directory.connector, str(ULID()), "failed", recording.now().isoformat(), "push"
        )
        self._log = log.bind(run=self._report.run)
        self._requests = 0
        self._changed = 0

    async def run(self) -> None:
        """Save requests until none comes any more. Every request that is taken is settled."""
        stack = ExitStack()
        try:
            lock = await self._locked(stack)
            if lock is not None:
                async with recording.recorded(self._database, self._report, RunOptions(), self._log):
                    await self._save_all(lock)
        except StateError as error:
            # A person can correct it: no traceback.
            self._log.error(str(error), event_name="state.failed", code=error.code)
            self._report.error = str(error)
        finally:
            await to_its_end(stack.close)
        if self._report.error is not None:
            self._queue.refuse_all(UNUSABLE)
            await asyncio.sleep(PAUSE)

    async def _locked(self, stack: ExitStack) -> Lock | None:
        """The lock of the directory. None: there is no request any more, or the directory has to be renamed first."""
        name, was, pause = self._job.directory.name, self._job.directory.was, FIRST_PAUSE
        while await self._queue.wait(0):
            try:
                lock = await to_its_end(lambda: stack.enter_context(locked(self._database, DIRECTORY, name)))
            except LockedError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if was is not None and await to_its_end(lambda: renaming.is_due(self._database, was, name)):
                self._queue.refuse_all(RENAMED)
                return None
            return lock
        return None

    async def _save_all(self, lock: Lock) -> None:
        began = time.monotonic()
        before = await to_its_end(lambda: open_directory(self._database, self._job.directory.name))
        several = False
        while True:
            if several:
                await asyncio.sleep(GATHERING)
            batch = self._queue.take(BATCH)
            several = len(batch) > 1
            before = await self._save(lock, before, batch)
            left = began + LONGEST - time.monotonic()
            if left <= 0 or not await self._queue.wait(min(QUIET, left)):
                return

    async def _save(self, lock: Lock, before: DirectoryState, batch: Sequence[Request]) -> DirectoryState:
        """Save a batch and settle its requests. Returns the new state of the directory. Raises StateError."""
        if not batch:
            return before
        operations = [request.operation for request in batch]

        def save() -> Committed:
            lock.verify()
            return commit(self._database, before, self._job, operations, recording.now())

        try:
            committed = await to_its_end(save)
        except StateError:
            self._settle(batch, self._queue.refusal(UNUSABLE))
            raise
        except Exception as error:
            if len(batch) == 1:
                self._log.exception("unexpected error", event_name="run.crashed", exc_info=error)
                self._settle(batch, ScimError(500, CRASHED))
                return before
            for request in batch:  # One of them has the fault, and it stops no other.
                before = await self._save(lock, before, [request])
            return before
        except BaseException:  # This task is cancelled.
            self._settle(batch, self._queue.refusal(ENDED))
            raise
        for request, outcome in zip(batch, committed.outcomes, strict=True):
            request.settle(outcome)
        self._requests += len(batch)
        return self._note(before, committed)

    def _note(self, before: DirectoryState, committed: Committed) -> DirectoryState:
        """Add what was saved to the report, and request the deliveries."""
        saved = committed.saved
        after = before if saved is None else saved.directory
        report = self._report.pull = self._report.pull or PullReport(False, 0, 0, 0, 0)
        report.users, report.groups, report.memberships = after.users, after.groups, after.memberships
        report.requests = self._requests
        if saved is None:
            return after
        self._changed += saved.changed
        report.changed = self._changed
        report.unresolved, report.ambiguous = saved.unclear.missing, saved.unclear.ambiguous
        self._report.skipped = saved.left_out
        if after.revision != before.revision:
            self._report.changed = True
            self._pushed(self._report.run)
        return after

    @staticmethod
    def _settle(batch: Sequence[Request], error: ScimError) -> None:
        for request in batch:
            request.settle(error)
