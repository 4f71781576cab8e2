"""What programs may ask and request of the daemon while it runs, by its API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.daemon.engine import WorkItem, person_of, pull_of
from usersyncd.daemon.reload import Loaded
from usersyncd.daemon.waiters import Waiters
from usersyncd.state import journal
from usersyncd.state.database import Database
from usersyncd.state.directories import known

if TYPE_CHECKING:
    from usersyncd.web.api import RequestedPull
    from usersyncd.web.bodies import DirectorySummary


class EndedPull(Struct, frozen=True):
    """A pull that has ended, and what awaits the deliveries that follow it."""

    report: PullRun | None
    deliveries: Sequence[asyncio.Future[Ended]]


Ended = EndedPull | DeliveryRun | None
"""The result of a run, for those who wait for it."""


class Requests:
    """The daemon, as the API sees it."""

    def __init__(
        self,
        database: Database,
        loaded: Callable[[], Loaded],
        request: Callable[[WorkItem, str], None],
        waiters: Waiters[Ended],
    ) -> None:
        """``request``: requests the run of an item, for a program of that name."""
        self._database = database
        self._loaded = loaded
        self._request = request
        self._waiters = waiters

    async def directories(self) -> Sequence[DirectorySummary]:
        """All configured directories."""
        return await asyncio.to_thread(self._summaries)

    def request_pull(self, directory: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        """Request a pull and its deliveries. Returns what awaits their end; None: there is no such directory."""
        return self._request_run(pull_of(directory), by)

    def request_person(self, directory: str, person: str, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        """Request a pull of one person and the deliveries that follow. Returns what awaits their end; None: there is no
        such directory."""
        return self._request_run(person_of(directory, person), by)

    def _request_run(self, item: WorkItem, by: str) -> Callable[[], Awaitable[RequestedPull]] | None:
        if item.name not in self._loaded().pulls:
            return None
        waiting = self._waiters.next_run(item)
        self._request(item, by)
        return lambda: _requested(waiting)

    def _summaries(self) -> Sequence[DirectorySummary]:
        from usersyncd.web.bodies import DirectorySummary

        now = datetime.now(UTC)
        found = []
        with self._database.read() as connection:
            for name, job in self._loaded().pulls.items():
                state = known(connection, name)
                runs = journal.history(connection, 1, name, kinds=(journal.RunKind.PULL,))
                size = (0, 0, 0) if state is None else (state.users, state.groups, state.memberships)
                success = journal.last(connection, name, now + job.directory.every, "succeeded")
                last = (runs[0].started, success, runs[0].status) if runs else (None, None, None)
                found.append(DirectorySummary(name, job.directory.connector, *size, *last))
        return found


async def _requested(waiting: asyncio.Future[Ended]) -> RequestedPull:
    from usersyncd.web.api import RequestedPull

    ended = await waiting
    if not isinstance(ended, EndedPull):
        return RequestedPull()
    delivered = await asyncio.gather(*ended.deliveries)
    return RequestedPull(ended.report, [run for run in delivered if isinstance(run, DeliveryRun)])
