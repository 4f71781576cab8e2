"""The daemon: pulls every directory at its interval and delivers what changed, until a signal ends it.

SIGTERM and SIGINT end it within seconds: running work is cancelled, and the next start continues from what was saved.
SIGHUP and a change of a lookup file reload the configuration. If the new one has faults, the old one stays in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from msgspec import structs

from usersyncd import notify
from usersyncd.config import Config
from usersyncd.core.report import Cause, DeliveryRun, PullRun
from usersyncd.daemon import reload, signals, systemd, webhooks
from usersyncd.daemon.activity import Activity
from usersyncd.daemon.approvals import Approvals
from usersyncd.daemon.dates import Dates
from usersyncd.daemon.due import Due
from usersyncd.daemon.engine import Engine, LocalEngine, WorkItem, deliver_to, pull_of
from usersyncd.daemon.lookups import LookupFiles
from usersyncd.daemon.pushed_revisions import PushedRevisions
from usersyncd.daemon.receivers import Receivers
from usersyncd.daemon.reload import Loaded
from usersyncd.daemon.requests import Ended, EndedPull, Requests
from usersyncd.daemon.runs import OnRun, Runs
from usersyncd.daemon.schedule import Schedule
from usersyncd.daemon.service import Service
from usersyncd.daemon.waiters import Waiters
from usersyncd.daemon.web_service import WebService
from usersyncd.daemon.webhooks import Webhooks
from usersyncd.deliver.next_due import next_due
from usersyncd.deliver.run import deliver
from usersyncd.options import RunOptions
from usersyncd.progress import Progress
from usersyncd.pull.failed import not_pulled
from usersyncd.pull.request import pull_person
from usersyncd.pull.run import pull
from usersyncd.state.approvals import decided_after
from usersyncd.state.database import Database
from usersyncd.state.directories import revisions

CLOCK_PAUSE = 1.0
"""Seconds between two looks at the wall clock."""
LOOKUPS_PAUSE = 5.0
"""Seconds between two looks at the lookup files."""
LONGEST_PAUSE = timedelta(seconds=5)
"""The longest pause between two attempts to get a lock that another process has; a tenth of the interval, if that is
shorter."""


class Daemon:
    """Runs a configuration. ``on_run`` receives the report of every run; without it, reports are logged."""

    def __init__(self, loaded: Loaded, database: Database, on_run: OnRun | None = None) -> None:
        self.loaded = loaded
        self.database = database
        self.activity = Activity()
        self.schedule = Schedule(self._is_due)
        self.engine: Engine = LocalEngine(self._perform, self._longest_pause)
        self._due = Due(self.schedule)
        self._pulled: dict[str, list[str]] = {}
        """The ids of the pulls that the next delivery to each target follows, by the target's name."""
        self._runs = Runs(self.activity, on_run)
        self.waiters = Waiters[Ended]()
        self._by: dict[WorkItem, str] = {}
        """Who requested an item last."""
        self._end = asyncio.Event()
        self._status = systemd.StatusLine(lambda: self.activity.line(self.schedule.upcoming()))
        self._reload = Service(self._load_configuration)
        self._approvals = Approvals(
            self._decisions_after, lambda target: self.engine.request(deliver_to(target), "approval")
        )
        self._dates = Dates(lambda: next_due(self.database, self.loaded.config), self._due.found)
        self.receivers = Receivers(database, self._deliver_push)
        self._pushed_revisions = PushedRevisions(self._revisions, self._deliver_from)
        self._lookups = LookupFiles(loaded.config.lookup_files, self._reload.wake)
        self._web = self._web_service()
        self._webhooks: Webhooks | None = None
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Run until a signal ends it."""
        with signals.handled(end=self._end.set, reload=self._hang_up):
            if self._web is not None:
                self._web.start()
            await self._approvals.begin()
            await self._dates.begin()
            await self._pushed_revisions.look()
            self.schedule.start()
            self._receive()
            self._pull_at_intervals(self.loaded.pulls, "interval")
            for target in self.loaded.deliveries:
                self._due.begin(target, _now())
            self._follow_webhooks()
            self._status.ready()
            if self._web is not None:
                self._web.ready()
            try:
                async with asyncio.TaskGroup() as group:
                    services = [group.create_task(service.run()) for service in self._services()]
                    await self._end.wait()
                    for service in services:
                        service.cancel()
            finally:
                await self._finish()

    def _services(self) -> list[Service]:
        clock = Service(self._follow_clock, CLOCK_PAUSE)
        lookups = Service(self._lookups.look, LOOKUPS_PAUSE)
        watchdog = systemd.watchdog()
        decisions, dates = self._approvals.service, self._dates.service
        services = [
            clock, lookups, self._reload, decisions, dates, self._pushed_revisions.service, self._status.service,
        ]  # fmt: skip
        return [*services, *([watchdog] if watchdog else [])]

    async def _finish(self) -> None:
        self._end.set()
        if self._web is not None:
            self._web.drain()
        self.schedule.stop()
        names = ", ".join(item.name for item in self.activity.running)
        notify.stopping(f"ending {names}".rstrip())
        if names:
            self._log.info(f"ending; these runs are cancelled: {names}", event_name="daemon.ending")
        await self.receivers.stop()
        await self.engine.stop()
        self.waiters.close()
        if self._web is not None:
            await self._web.stop()
        if self._webhooks is not None:
            await self._webhooks.stop()
        self._log.info("ended", event_name="daemon.ended")

    def next_runs(self) -> list[tuple[datetime, str]]:
        """When each directory is pulled next, and when a target is due without a pull; the soonest first."""
        return [(when, item.name) for when, item in self.schedule.upcoming()]

    def _web_service(self) -> WebService | None:
        config = self.loaded.config.web
        if config is None:
            return None
        requests = Requests(self.database, lambda: self.loaded, self._requested, self.waiters)
        return WebService(self.loaded, config, self.database, requests, self.receivers.of)

    def _receive(self) -> None:
        """Receive the directories that push. They reach the daemon by its web service only."""
        self.receivers.follow(self.loaded.pulls if self.loaded.config.web is not None else {})

    def _requested(self, item: WorkItem, by: str) -> None:
        self._by[item] = by
        self.engine.request(item, "request")

    # ---- work

    def _pull_at_intervals(self, directories: Iterable[str], cause: Cause) -> None:
        """Pull these directories now and at their intervals. A directory that pushes is pulled now only."""
        jobs = {pull_of(name): self.loaded.pulls[name] for name in directories}
        self.schedule.every({item: job.directory.every for item, job in jobs.items() if not job.receiving}, cause)
        for item in (item for item, job in jobs.items() if job.receiving):
            self.schedule.drop(item)
            self.engine.request(item, cause)

    def _is_due(self, item: WorkItem, cause: Cause) -> None:
        if cause == "interval" and self.engine.is_busy(item):
            self._runs.log_overdue(item, self._interval(item))
        else:
            self.engine.request(item, cause)

    async def _perform(self, item: WorkItem, cause: Cause) -> None:
        try:
            with self.waiters.run(item) as ending:
                ending.result = await (self._deliver if item.kind == "deliver" else self._pull)(item, cause)
        finally:
            self._status.service.wake()

    async def _pull(self, item: WorkItem, cause: Cause) -> EndedPull | None:
        """Pull a directory, or one person of it, if it is still in the file, and request the deliveries that follow."""
        if (job := self.loaded.pulls.get(item.name)) is None:
            return None
        folder, by = self.loaded.config.folder, self._by.get(item, "")

        def run(options: RunOptions, progress: Progress) -> Awaitable[PullRun]:
            if self._web is not None and (error := self._web.closed(item.name)) is not None:
                return not_pulled(self.database, job, error, cause, options)
            if item.kind == "person":
                return pull_person(self.database, folder, job, item.person, by, options, progress)
            return pull(self.database, folder, job, options, cause, progress, by if cause == "request" else None)

        report = await self._runs.follow(item, job.directory.every, run)
        self._by.pop(item, None)
        following = []
        for target in _targets(self.loaded.config, item.name):
            delivery = deliver_to(target)
            if isinstance(report, PullRun):
                self._pulled.setdefault(target, []).append(report.run)
            self._runs.log_overdue(delivery, self._interval(delivery))
            following.append(self.waiters.next_run(delivery))
            self.engine.request(delivery, "pull")
        return EndedPull(report, following)

    def _deliver_push(self, directory: str, run: str) -> None:
        """Request the deliveries that follow a push."""
        for target in _targets(self.loaded.config, directory):
            if run not in (pulled := self._pulled.setdefault(target, [])):
                pulled.append(run)
            self.engine.request(deliver_to(target), "push")

    async def _deliver(self, item: WorkItem, cause: Cause) -> DeliveryRun | None:
        """Deliver to a target, if it is still in the file, and set when it is due again."""
        if (job := self.loaded.deliveries.get(item.name)) is None:
            return None
        pulls = self._pulled.get(item.name, [])[:]
        report = await self._runs.follow(
            item,
            self._interval(item),
            lambda options, progress: deliver(
                self.database, self.loaded.config.folder, job, options, cause, progress, pulls
            ),
        )
        del self._pulled.get(item.name, [])[: len(pulls)]
        if self._webhooks is not None:
            self._webhooks.wake(item.name)
        due = report.due if report else None
        self._due.delivered(
            item.name,
            failed=report is None or report.status == "failed",
            due=datetime.fromisoformat(due) if due else None,
            now=_now(),
        )
        return report

    def _interval(self, item: WorkItem) -> timedelta:
        """The interval of a directory; for a target, the shortest interval of its directories."""
        pulls, delivery = self.loaded.pulls, self.loaded.deliveries.get(item.name)
        names = [item.name] if item.kind == "pull" else delivery.shares if delivery else ()
        return min((pulls[name].directory.every for name in names if name in pulls), default=timedelta.max)

    def _longest_pause(self, item: WorkItem) -> float:
        return min(self._interval(item) / 10, LONGEST_PAUSE).total_seconds()

    # ---- services

    async def _load_configuration(self) -> None:
        notify.reloading()
        loaded = await reload.attempt(lambda: reload.load_jobs(self.loaded.config.file))
        if loaded is not None:
            self._change_to(loaded)
        self._status.ready()

    def _change_to(self, loaded: Loaded) -> None:
        """Continue with another configuration. Current runs end under the old one; what changed runs again at once."""
        old, config = self.loaded, loaded.config
        if config.state != old.config.state:
            self._log.warning(
                "`state` has changed: the old state database is used until usersyncd is restarted",
                event_name="config.state_changed",
            )
            loaded = structs.replace(loaded, config=structs.replace(config, state=old.config.state))
        self.loaded = loaded
        self._lookups.follow(config.lookup_files)
        self._receive()
        if self._web is not None:
            self._web.follow(loaded)
        elif config.web is not None:
            self._log.warning("`web` is new: restart usersyncd to use it", event_name="config.web_changed")
        self._follow_webhooks()
        directories, targets = reload.compare_pulls(old, loaded), reload.compare_deliveries(old, loaded)
        for name in directories.removed:
            self.schedule.drop(pull_of(name))
            self.activity.forget(pull_of(name))
        for name in targets.removed:
            self._due.removed(name)
            self.activity.forget(deliver_to(name))
        pushing = [name for name, job in loaded.pulls.items() if job.receiving and name not in directories.due]
        self._pull_at_intervals([*directories.due, *pushing], "reload")  # A token may be readable now, or no longer.
        for name in targets.due:
            self.engine.request(deliver_to(name), "reload")
        self._log.info(
            "configuration reloaded", event_name="config.reloaded", **structs.asdict(directories), targets=targets.due
        )

    def _follow_webhooks(self) -> None:
        """Send to the webhooks of the configuration. Their libraries are imported only if there is one."""
        self._webhooks = webhooks.follow(self._webhooks, self.loaded.config, self.database)

    def _hang_up(self) -> None:
        self._reload.wake()
        self._approvals.service.wake()

    def _decisions_after(self, number: int) -> tuple[int, Collection[str]]:
        with self.database.read() as connection:
            return decided_after(connection, number)

    def _revisions(self) -> Mapping[str, int]:
        pushing = [name for name, job in self.loaded.pulls.items() if job.receiving is not None]
        if not pushing:
            return {}
        with self.database.read() as connection:
            return revisions(connection, pushing)

    def _deliver_from(self, directory: str) -> None:
        """Request the deliveries that follow a change of a snapshot."""
        for target in _targets(self.loaded.config, directory):
            self.engine.request(deliver_to(target), "pull")

    async def _follow_clock(self) -> None:
        self.schedule.follow_clock()


def _targets(config: Config, directory: str) -> list[str]:
    """The targets that list a directory."""
    return [target.name for target in config.targets.values() if directory in target.directories]


def _now() -> datetime:
    return datetime.now(UTC)
