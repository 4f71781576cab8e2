"""The daemon: runs every directory at its interval, until a signal ends it.

SIGTERM and SIGINT end it within seconds: what runs is cancelled, and the next start goes on from what was saved. SIGHUP
loads the configuration again; one with faults leaves the old one in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

import structlog
from msgspec import structs

from usersyncd import notify
from usersyncd.config import Config
from usersyncd.core.report import RunReport
from usersyncd.daemon import reload, signals, systemd
from usersyncd.daemon.activity import Activity
from usersyncd.daemon.engine import Cause, Engine, LocalEngine, WorkItem
from usersyncd.daemon.runs import Runs
from usersyncd.daemon.schedule import Schedule
from usersyncd.daemon.service import Service
from usersyncd.deliver.leaving import removed_jobs
from usersyncd.errors import StateError
from usersyncd.job import Job
from usersyncd.run import run
from usersyncd.state.database import Database

CLOCK_PAUSE = 1.0
"""Seconds between two looks at the wall clock."""
LONGEST_PAUSE = timedelta(seconds=5)
"""The longest pause between two attempts at a directory that another process is running; a tenth of its interval, if
that is shorter."""


class Daemon:
    """Runs the directories of a configuration. ``on_run`` gets the report of every run, instead of the log."""

    def __init__(
        self,
        config: Config,
        found: Mapping[str, Job],
        database: Database,
        on_run: Callable[[RunReport], None] | None = None,
    ) -> None:
        self.config = config
        self._listed = dict(found)
        """The jobs of the directories that are in the file."""
        self.jobs = dict(found)
        """What is run now, by directory; also those out of the file, as long as something of them has to leave."""
        self.database = database
        self.activity = Activity()
        self.schedule = Schedule(self._is_due)
        self.engine: Engine = LocalEngine(self._perform, self._longest_pause)
        self._runs = Runs(self.activity, on_run)
        self._reached: set[str] = set()
        """The targets to which a directory was delivered under this configuration."""
        self._end = asyncio.Event()
        self._status = systemd.StatusLine(lambda: self.activity.line(self.schedule.upcoming()))
        self._reload = Service(self._load_again)
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Run until a signal ends it."""
        with signals.handled(end=self._end.set, reload=self._reload.wake):
            self.jobs |= await asyncio.to_thread(removed_jobs, self.database, self.config, self._listed)
            self.schedule.start()
            self._run_at_intervals(self.jobs, "interval")
            self._status.ready()
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
        watchdog = systemd.watchdog()
        return [clock, self._reload, self._status.service, *([watchdog] if watchdog else [])]

    async def _finish(self) -> None:
        self._end.set()
        self.schedule.stop()
        names = ", ".join(item.name for item in self.activity.running)
        notify.stopping(f"ending {names}".rstrip())
        if names:
            self._log.info(f"ending, while it runs: {names}", event_name="daemon.ending")
        await self.engine.stop()
        self._log.info("ended", event_name="daemon.ended")

    def next_runs(self) -> list[tuple[datetime, str]]:
        """When each directory is read next, the soonest first."""
        return [(when, item.name) for when, item in self.schedule.upcoming()]

    # ---- work

    def _run_at_intervals(self, names: Iterable[str], cause: Cause) -> None:
        self.schedule.every({_pull(name): self.jobs[name].directory.every for name in names}, cause)

    def _is_due(self, item: WorkItem, cause: Cause) -> None:
        if cause == "interval" and self.engine.is_busy(item):
            self._runs.log_missed(item)
        else:
            self.engine.request(item, cause)

    async def _perform(self, item: WorkItem, _cause: Cause) -> None:
        """Run a directory, if it is still to be run."""
        if (job := self.jobs.get(item.name)) is None:
            return
        try:
            report = await self._runs.follow(
                item,
                job.directory.every,
                lambda options, watch: run(self.database, self.config.folder, job, options, watch),
            )
        finally:
            self._status.service.wake()
        delivered = report is not None and report.status != "failed"
        reached = {each.target.name for each in job.deliveries if delivered}
        if job.connector is None or not reached <= self._reached:
            self._reached |= reached
            await self._look_for_removed()

    def _longest_pause(self, item: WorkItem) -> float:
        job = self.jobs.get(item.name)
        return (min(job.directory.every / 10, LONGEST_PAUSE) if job else LONGEST_PAUSE).total_seconds()

    async def _look_for_removed(self) -> None:
        """Go on with the directories that are out of the file, as far as something of them has to leave. The
        first run at a target finds out which one that is; after a last run, nothing is left."""
        listed = self._listed
        try:
            found = await asyncio.to_thread(removed_jobs, self.database, self.config, listed)
        except StateError as error:
            self._log.error(str(error), event_name="state.failed", code=error.code)
            return
        if listed is self._listed and not self._end.is_set():
            self._replace({**listed, **found})

    def _replace(self, jobs: dict[str, Job]) -> None:
        """Run these from now on: what is new or has changed at once, and nothing else any more."""
        old, self.jobs = self.jobs, jobs
        changes = reload.compare(old, jobs)
        for name in changes.removed:
            self.schedule.drop(_pull(name))
            self.activity.forget(_pull(name))
        self._run_at_intervals([name for name in jobs if name in {*changes.added, *changes.changed}], "reload")

    # ---- services

    async def _load_again(self) -> None:
        def load_all() -> tuple[Config, dict[str, Job], dict[str, Job]]:
            config, found = reload.load_jobs(self.config.file)
            return config, found, removed_jobs(self.database, config, found)

        notify.reloading()
        loaded = await reload.attempt(load_all)
        if loaded is not None:
            self._adopt(*loaded)
        self._status.ready()

    def _adopt(self, config: Config, found: dict[str, Job], leaving: dict[str, Job]) -> None:
        """Go on with another configuration. What runs ends under the old one, and what changed runs again at once.
        ``leaving``: the jobs of directories that are out of the file."""
        changes = reload.compare(self._listed, found)
        if config.state != self.config.state:
            self._log.warning(
                "state: has changed: this needs a restart, and the old state database is used until then",
                event_name="config.state_changed",
            )
            config = structs.replace(config, state=self.config.state)
        self.config, self._listed = config, found
        self._reached.clear()
        self._replace({**found, **leaving})
        self._log.info("configuration reloaded", event_name="config.reloaded", **structs.asdict(changes))

    async def _follow_clock(self) -> None:
        self.schedule.follow_clock()


def _pull(name: str) -> WorkItem:
    return WorkItem("pull", name)
