"""Pulls directories and delivers them to their targets, for ``plan`` and ``sync``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from usersyncd.blocking import to_its_end
from usersyncd.config import Config
from usersyncd.core.composing import composed
from usersyncd.core.report import DeliveryRun, PullRun, RunReport, TargetReport
from usersyncd.deliver.leaving_directories import leaving
from usersyncd.deliver.run import deliver
from usersyncd.errors import LockedError, UsersyncError
from usersyncd.job import DeliveryJob, PullJob, delivery_jobs, jobs
from usersyncd.options import RunOptions
from usersyncd.progress import Progress, Wait
from usersyncd.pull.run import pull
from usersyncd.state import journal
from usersyncd.state.database import Database

PAUSE = 0.5
"""Seconds between the attempts at a target to which another process delivers."""

Watching = Callable[[str], AbstractContextManager[Progress]]
"""Shows the progress of a directory or target while it lasts."""


async def sync(
    database: Database,
    folder: Path,
    pulls: Mapping[str, PullJob],
    deliveries: Mapping[str, DeliveryJob],
    directories: Sequence[str],
    options: RunOptions,
    watching: Watching = lambda _: nullcontext(Progress()),
) -> list[RunReport]:
    """Pull these directories, then deliver them: all ``deliveries`` that concern any of them.

    A directory that is not in ``pulls`` was removed from the configuration: it only leaves its targets. A directory
    whose pull failed is not delivered. Returns a report for each directory, in their order.
    """
    began, pulled = _now(), dict[str, PullRun]()
    for name in directories:
        if name in pulls:
            with watching(name) as progress:
                pulled[name] = await _pull(database, folder, pulls[name], options, progress)
    ready = [name for name in directories if name not in pulled or pulled[name].error is None]
    concerned = await to_its_end(lambda: _concerned(database, deliveries, ready)) if ready else {}
    delivered: dict[str, DeliveryRun] = {}
    for name, job in deliveries.items():
        if names := concerned.get(name):
            chosen = replace(options, directories=frozenset(names))
            with watching(name) as progress:
                runs = [pulled[one].run for one in names if one in pulled]
                delivered[name] = await _deliver(database, folder, job, chosen, runs, progress)
    return [
        composed(
            name,
            pulls[name].directory.connector if name in pulls else await to_its_end(lambda: _connector(database, name)),  # noqa: B023
            pulled.get(name),
            [run for target, run in delivered.items() if name in concerned[target]],
            started=pulled[name].started if name in pulled else began,
            delivered=options.deliver,
        )
        for name in directories
    ]


async def sync_directory(database: Database, config: Config, directory: str, options: RunOptions) -> RunReport:
    """Pull one directory of a configuration and deliver it to its targets. Raises ConfigError."""
    pulls = jobs(config)
    [report] = await sync(database, config.folder, pulls, delivery_jobs(pulls.values()), [directory], options)
    return report


def _concerned(
    database: Database, deliveries: Mapping[str, DeliveryJob], directories: Sequence[str]
) -> dict[str, list[str]]:
    """The directories that each target lists, or of which it holds something although it does not list them."""
    everyone = {each.target.name: each.target for job in deliveries.values() for each in job.everyone}
    with database.read() as connection:
        held = {(one.target, one.directory) for one in leaving(connection, everyone.values(), verify=True)}
    return {
        target: [name for name in directories if name in job.shares or (target, name) in held]
        for target, job in deliveries.items()
    }


def _connector(database: Database, directory: str) -> str:
    with database.read() as connection:
        return journal.last_connector(connection, directory)


async def _pull(database: Database, folder: Path, job: PullJob, options: RunOptions, progress: Progress) -> PullRun:
    try:
        return await pull(database, folder, job, options, "manual", progress)
    except UsersyncError as error:
        # The pull did not begin: another process has the directory, or the state database cannot be written.
        directory = job.directory
        return PullRun(directory.name, directory.connector, "", "failed", _now(), error=str(error), code=error.code)


async def _deliver(
    database: Database, folder: Path, job: DeliveryJob, options: RunOptions, pulls: Sequence[str], progress: Progress
) -> DeliveryRun:
    """Deliver, as soon as no other process delivers to the target."""
    while True:
        try:
            return await deliver(database, folder, job, options, "manual", progress, pulls)
        except LockedError:
            progress.wait(Wait(job.target.name, f"another process delivers to {job.target.name}"))
            await asyncio.sleep(PAUSE)
        except UsersyncError as error:
            target, why = job.target, str(error)
            shares = [
                TargetReport(target.name, directory=name, error=why, code=error.code)
                for name in options.directories or ()
            ]
            return DeliveryRun(
                target.name, target.connector, "", "failed", _now(), error=why, targets=shares, code=error.code
            )


def _now() -> str:
    return datetime.now(UTC).isoformat()
