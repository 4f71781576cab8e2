"""The daemon: runs every directory at its interval, until a signal ends it.

SIGTERM and SIGINT end it within seconds: what runs is cancelled, and the next start goes on from what was saved. SIGHUP
loads the configuration again; one with faults leaves the old one in force.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from msgspec import Struct, structs

from usersyncd import notify
from usersyncd.config import Config, load
from usersyncd.core.report import RunReport
from usersyncd.deliver.leaving import removed_jobs
from usersyncd.errors import ConfigError, LockedError, StateError, UsersyncError
from usersyncd.interval import Interval
from usersyncd.job import Job, jobs
from usersyncd.progress import Progress
from usersyncd.run import STOPPED, RunOptions, run
from usersyncd.state.database import Database

GRACE = 10.0
"""Seconds that the end may take. After them the process ends, whatever is still under way: killing it does no harm."""
SPREAD = timedelta(seconds=60)
"""The first runs of all directories are spread over this, or over a tenth of the shortest interval."""
RELOAD = 10.0
"""Seconds after which a reload takes long: the log is told then, and again whenever that has doubled."""
LONGEST_PAUSE = timedelta(seconds=5)
"""The longest pause between two attempts at a directory that another process is running; a tenth of its interval, if
that is shorter."""
TICK = 1.0
"""Seconds between two looks at what is going on."""


class _Turn(Struct):
    """A wait for another process: since when (UTC), and how long it has to last until it is told of again."""

    since: datetime
    told: timedelta = timedelta(0)


class Daemon:
    """Runs the directories of a configuration. ``tell`` is told of every run, instead of the log."""

    def __init__(
        self,
        config: Config,
        found: Mapping[str, Job],
        database: Database,
        tell: Callable[[RunReport], None] | None = None,
    ) -> None:
        self.config = config
        self.running: dict[str, Progress] = {}
        """The runs under way, by directory."""
        self._listed = dict(found)
        """The jobs of the directories that are in the file."""
        self.jobs = dict(found)
        """What is run now, by directory; also those out of the file, as long as something of them has to leave."""
        self.database = database
        self._tell = tell
        self._log = structlog.get_logger()
        self._failed: dict[str, str] = {}
        self._reached: set[str] = set()
        """The targets to which a directory was delivered under this configuration."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._end = asyncio.Event()
        self._reload = asyncio.Event()
        self._terminals = [stream for stream in (0, 1, 2) if os.isatty(stream)]
        self._status = ""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # What it warns of, we say in our words.
        self.scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self.scheduler.add_listener(self._still_running, EVENT_JOB_MAX_INSTANCES)

    async def run(self) -> None:
        """Run until a signal ends it."""
        with _handled({signal.SIGTERM: self._stop, signal.SIGINT: self._stop, signal.SIGHUP: self._hangup}):
            self.jobs |= await asyncio.to_thread(removed_jobs, self.database, self.config, self._listed)
            self.scheduler.start()
            self._schedule(self.jobs)
            self._status = self._line()
            notify.ready(self._status)
            try:
                async with asyncio.TaskGroup() as group:
                    helpers = [group.create_task(work()) for work in (self._reloads, self._tend, self._watchdog)]
                    await self._end.wait()
                    for helper in helpers:
                        helper.cancel()
            finally:
                await self._finish()

    async def _finish(self) -> None:
        self._end.set()
        self.scheduler.pause()
        notify.stopping(f"ending {', '.join(self.running)}" if self.running else "ending")
        if self.running:
            self._log.info(f"ending, while it runs: {', '.join(self.running)}")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.scheduler.shutdown(wait=False)
        self._log.info("ended")

    def next_runs(self) -> list[tuple[datetime, str]]:
        """When each directory is read next, the soonest first."""
        return sorted((job.next_run_time, job.id) for job in self.scheduler.get_jobs())

    # ---- the schedule

    def _schedule(self, names: Iterable[str]) -> None:
        """Run these directories now, spread a little, and from then on at their intervals."""
        names = list(names)
        shortest = min((self.jobs[name].directory.every for name in names), default=SPREAD)
        for place, name in enumerate(names):
            every = self.jobs[name].directory.every
            # What runs now, under an older configuration, is run again when it has ended: see _run.
            wait = every if name in self.running else min(shortest / 10, SPREAD) * place / len(names)
            self.scheduler.add_job(
                self._run, Interval(every), args=[name], id=name, next_run_time=_now() + wait, replace_existing=True
            )

    async def _run(self, name: str) -> None:
        """Run a directory; and again, when the configuration has changed meanwhile."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine of a task
        self._tasks.add(task)
        turn = _Turn(_now())
        try:
            while not self._end.is_set() and (job := self.jobs.get(name)) is not None:
                try:
                    await self._run_once(name, job)
                except LockedError:
                    await self._wait_for_turn(job, turn)
                    continue
                reached = {each.target.name for each in job.deliveries if self._failed.get(name) != "failed"}
                if job.connector is None or not reached <= self._reached:
                    self._reached |= reached
                    await self._look_for_removed()
                if name in self.jobs and _same(job, self.jobs[name]):
                    break
        finally:
            self._tasks.discard(task)

    async def _run_once(self, name: str, job: Job) -> None:
        progress = self.running[name] = Progress(_now())
        log = self._log.bind(directory=name)
        try:
            options = RunOptions(log=self._tell is None)
            report = await run(self.database, self.config.folder, job, options, progress.watch)
            if self._tell is not None:
                self._tell(report)
            self._note(name, None if report.status == "succeeded" else report.status)
        except LockedError:
            raise
        except StateError as error:
            self._note(name, "failed")
            log.error(str(error))  # noqa: TRY400 - a person can mend it: no traceback
        except asyncio.CancelledError:
            # Only the end of the daemon cancels a run, and waits for it.
            if self._tell is not None:
                log.info(STOPPED)
        except Exception:
            self._note(name, "failed")
            log.exception("unexpected error: this is a fault of usersyncd: report it with this log")
        finally:
            del self.running[name]
            self._show()

    async def _wait_for_turn(self, job: Job, turn: _Turn) -> None:
        """Pause while another process is running the directory. Whoever came again at its next interval only could
        come too late every time, and would not notice that the other one fails."""
        every = job.directory.every
        if _now() - turn.since >= turn.told:
            turn.told = 2 * turn.told or every  # at once, then after 1, 2, 4, 8 … intervals
            self._log.warning(
                "another process is running this directory; it is tried again as soon as that ends",
                directory=job.directory.name,
            )
        with suppress(asyncio.CancelledError):  # as in _run_once
            await asyncio.sleep(min(every / 10, LONGEST_PAUSE).total_seconds())

    async def _look_for_removed(self) -> None:
        """Go on with the directories that are out of the file, as far as something of them has to leave. The
        first run at a target finds out which one that is; after a last run, nothing is left."""
        listed = self._listed
        try:
            found = await asyncio.to_thread(removed_jobs, self.database, self.config, listed)
        except StateError as error:
            self._log.error(str(error))
            return
        if listed is self._listed and not self._end.is_set():
            self._replace({**listed, **found})

    def _replace(self, jobs: dict[str, Job]) -> None:
        """Run these from now on: what is new or has changed at once, and nothing else any more."""
        old, self.jobs = self.jobs, jobs
        for name in old.keys() - jobs.keys():
            self.scheduler.remove_job(name)
            self._failed.pop(name, None)
        self._schedule([name for name, job in jobs.items() if name not in old or not _same(old[name], job)])

    def _note(self, name: str, failure: str | None) -> None:
        if failure is None:
            self._failed.pop(name, None)
        else:
            self._failed[name] = failure

    def _still_running(self, event: JobSubmissionEvent) -> None:
        progress = self.running.get(event.job_id)
        if progress is None:
            return
        progress.missed += 1
        if progress.missed.bit_count() == 1:  # 1, 2, 4, 8 … times: a run that hangs must not fill the log
            self._log.warning(
                f"takes longer than its interval: it is still {progress.step}",
                directory=event.job_id,
                minutes=round((_now() - progress.since).total_seconds() / 60, 1),
                intervals_missed=progress.missed,
            )

    # ---- signals

    def _stop(self) -> None:
        """The first time, end in order. The second time, the signal ends the process at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        deadline = threading.Timer(GRACE, _abandon)
        deadline.daemon = True
        deadline.start()
        self._end.set()

    def _hangup(self) -> None:
        """Load the configuration again; but end when the terminal is gone from which the daemon was started."""
        if self._terminals and not any(os.isatty(stream) for stream in self._terminals):
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in self._terminals:
                os.dup2(nowhere, stream)  # Nothing more can be said, and trying to would fail.
            self._stop()
        self._reload.set()

    async def _reloads(self) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            notify.reloading()
            try:
                config, found, removed = await self._loaded()
            except UsersyncError as error:
                log_error(error, "the configuration was not reloaded: the old one stays in force")
            except Exception:
                self._log.exception("the configuration was not reloaded: the old one stays in force")
            else:
                self._adopt(config, found, removed)
            self._status = self._line()
            notify.ready(self._status)

    async def _loaded(self) -> tuple[Config, dict[str, Job], dict[str, Job]]:
        """The configuration as it stands in its file now. The log is told when that takes long."""

        def load_all() -> tuple[Config, dict[str, Job], dict[str, Job]]:
            config, found = load_jobs(self.config.file)
            return config, found, removed_jobs(self.database, config, found)

        loading = asyncio.ensure_future(asyncio.to_thread(load_all))
        wait = seconds = RELOAD
        while not (await asyncio.wait([loading], timeout=wait))[0]:
            self._log.warning(
                "the configuration is still being loaded: its folder, a file that it names, or the state database does "
                "not answer; the old one stays in force",
                seconds=round(seconds),
            )
            wait, seconds = seconds, seconds * 2
        return loading.result()

    def _adopt(self, config: Config, found: dict[str, Job], leaving: dict[str, Job]) -> None:
        """Go on with another configuration. What runs ends under the old one, and what changed runs again at once.
        ``leaving``: the jobs of directories that are out of the file."""
        old = self._listed
        added = [name for name in found if name not in old]
        changed = [name for name, job in found.items() if name in old and not _same(old[name], job)]
        removed = [name for name in old if name not in found]
        if config.state != self.config.state:
            self._log.warning("state: has changed: this needs a restart, and the old state database is used until then")
            config = structs.replace(config, state=self.config.state)
        self.config, self._listed = config, found
        self._reached.clear()
        self._replace({**found, **leaving})
        self._log.info("configuration reloaded", added=added, changed=changed, removed=removed)

    # ---- what goes on beside the runs

    async def _tend(self) -> None:
        while True:
            self._show()
            self._follow_clock()
            await asyncio.sleep(TICK)

    async def _watchdog(self) -> None:
        interval = notify.watchdog_interval()
        while interval is not None:
            notify.watchdog()
            await asyncio.sleep(interval)

    def _follow_clock(self) -> None:
        """The scheduler reads the wall clock once, and then waits by a clock that stands while the machine sleeps. When
        the wall clock was set back, a run would have to wait for as long; when it is ahead, a run is overdue."""
        now, tick = _now(), timedelta(seconds=TICK)
        for job in self.scheduler.get_jobs():
            if job.next_run_time - now > self.jobs[job.id].directory.every + tick:
                job.modify(next_run_time=now)
            elif job.next_run_time < now - tick:
                self.scheduler.wakeup()

    def _show(self) -> None:
        """Tell systemd what is going on, if that is something new."""
        line = self._line()
        if line != self._status and not self._end.is_set():  # then it is ending, and nothing comes next
            self._status = line
            notify.status(line)

    def _line(self) -> str:
        """``hr: reading 12,000; next: corp at 14:05:10; held: app``"""
        parts = [f"{name}: {one}" for name, one in self.running.items()]
        waiting = [(when, name) for when, name in self.next_runs() if name not in self.running]
        if waiting:
            when, name = waiting[0]
            parts.append(f"next: {name} at {when.astimezone():%H:%M:%S}")
        parts += [f"{name} {failure}" for name, failure in self._failed.items() if name not in self.running]
        return "; ".join(parts) or "no directories"


def load_jobs(file: os.PathLike[str]) -> tuple[Config, dict[str, Job]]:
    """A configuration and its compiled jobs. Raises ConfigError."""
    config = load(str(file))
    return config, jobs(config)


def log_error(error: UsersyncError, consequence: str) -> None:
    """Log what is wrong, each fault of a configuration with its place, and what follows from it."""
    log = structlog.get_logger()
    faults = error.faults if isinstance(error, ConfigError) else ()
    for fault in faults:
        log.error(str(fault))
    log.error(consequence if faults else f"{consequence}: {error}")


def _same(one: Job, other: Job) -> bool:
    """Whether two configurations mean the same by a directory, however they are written."""
    return (
        (one.directory, one.basis) == (other.directory, other.basis)
        and [(each.target, each.fingerprint) for each in (*one.deliveries, *one.leaving)]
        == [(each.target, each.fingerprint) for each in (*other.deliveries, *other.leaving)]
    )  # fmt: skip


@contextmanager
def _handled(handlers: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
            stack.callback(loop.remove_signal_handler, number)
        yield


def _abandon() -> None:
    structlog.get_logger().warning("what runs does not end, and is left: the next start goes on from there")
    os._exit(0)


def _now() -> datetime:
    return datetime.now(UTC)
