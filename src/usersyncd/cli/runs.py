"""Shared by ``plan`` and ``sync``: runs directories from the command line, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from usersyncd import collector, logs
from usersyncd.cli.adopt import told_apart
from usersyncd.cli.common import config_file, say
from usersyncd.cli.names import RecordNames
from usersyncd.cli.progress import shown_progress
from usersyncd.cli.saved_state import saved_state
from usersyncd.config import Config, load
from usersyncd.core.report import RunReport
from usersyncd.deliver.leaving import all_leaving, removed_jobs
from usersyncd.errors import ConfigError, UsersyncError
from usersyncd.job import Job, jobs
from usersyncd.nearest import nearest
from usersyncd.opening import open_state
from usersyncd.options import ALL
from usersyncd.run import RunOptions, run
from usersyncd.state.database import Database
from usersyncd.state.subjects import ids_among

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells: 128 plus the number of the signal."""


@dataclass(frozen=True)
class DirectoryRuns:
    """The directories to run, and what a person consented to.

    ``adopt``: the ids of the records for which objects may be adopted; ``forget``: the directories that may leave.
    """

    database: Database
    folder: Path
    jobs: Sequence[Job]
    adopt: frozenset[str]
    forget: frozenset[str]
    quiet: bool

    def each(self, options: RunOptions) -> Iterator[tuple[RunReport, RecordNames]]:
        """Run one directory after the other. An error is in the report, and does not stop the next directory."""
        for job in self.jobs:
            yield self._run(job, options), RecordNames(self.database, job.directory.name, job)

    def verify_consents(self) -> None:
        """Raises ConfigError if ``--adopt`` names a record that is in none of the directories."""
        if not (wanted := self.adopt - {ALL}):
            return
        names = [job.directory.name for job in self.jobs]
        with self.database.read() as connection:
            unknown = sorted(wanted - ids_among(connection, names, wanted))
        if unknown:
            raise ConfigError(
                f"--adopt: no record of {', '.join(names)} has the id {', '.join(unknown)}",
                "give the id that the report names, and the name of its directory",
            )

    def _run(self, job: Job, options: RunOptions) -> RunReport:
        name, connector = job.directory.name, job.directory.connector
        try:
            with shown_progress(name, quiet=self.quiet) as watch:
                return asyncio.run(run(self.database, self.folder, job, options, watch))
        except UsersyncError as error:
            # The run never began: another run has the directory, or the state cannot be written.
            return RunReport(name, connector, "", "failed", datetime.now(UTC).isoformat(), error=str(error))
        except KeyboardInterrupt:
            say(
                f"\n{name}: stopped. Nothing is lost: the delivered changes are recorded, and the next run continues "
                "from there.",
                error=True,
            )
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def opened(
    context: typer.Context,
    option: Path | None,
    directories: Collection[str] | None,
    adopt: Sequence[str] | None,
    *,
    json: bool,
    forget: Sequence[str] | None = None,
    target: str | None = None,
    verify: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> Iterator[DirectoryRuns]:
    """Open the state database and prepare the runs of these directories; all directories if none is named.

    ``adopt`` and ``forget`` are the values of ``--adopt`` and ``--forget``. ``target``: the only target to deliver to;
    the directories are then those that it lists. ``verify``: compare the targets with what was delivered. ``quiet``:
    show no progress. ``verbose``: log more than warnings.

    Raises ConfigError, also for an unknown directory or target, and StateError.
    """
    logs.configure("debug" if verbose else "info" if json else "warning")
    config = load(config_file(context, option))
    found = _jobs(config, forget or (), verify=verify)
    adopting, consents = told_apart(adopt or (), found)
    reached = found if target is None else _reached(config, found, target)
    chosen = check_names(config, [*(directories or ()), *adopting, *(forget or ())] or reached, found)
    if missed := [name for name in chosen if name not in reached]:
        raise ConfigError(
            f"--target: {target} does not list the directory {missed[0]}",
            "name one that it lists on the command line, or leave --target out",
        )
    database = open_state(config)
    collector.set_aside()
    try:
        yield DirectoryRuns(
            database, config.folder, [found[name] for name in chosen], consents, frozenset(forget or ()), quiet
        )
    finally:
        database.close()


def _jobs(config: Config, forget: Collection[str], *, verify: bool) -> dict[str, Job]:
    """The jobs of the configured directories, and of removed directories that still have something to leave or verify.

    Raises ConfigError if a directory to ``forget`` has nothing that leaves.
    """
    found = jobs(config)
    with saved_state(config) as database:
        if database is not None:
            found |= removed_jobs(database, config, found, verify=verify)
            _check_forget(database, config, [name for name in forget if name in found], verify=verify)
    return found


def _reached(config: Config, found: dict[str, Job], target: str) -> list[str]:
    """The directories that the target lists, and the removed ones that leave it. Raises ConfigError."""
    if target not in config.targets:
        raise ConfigError(
            f"--target: there is no target “{target}” in {config.file}{nearest(target, config.targets)}",
            "name one of those under `targets:`, or none for all",
        )
    return [
        name for name, job in found.items() if any(each.target.name == target for each in job.deliveries or job.leaving)
    ]


def check_names(config: Config, names: Collection[str], known: Collection[str]) -> list[str]:
    """These directories, each once. Raises ConfigError for an unknown one."""
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no directory “{name}” in {config.file}{nearest(name, known)}",
                "name one of those under `directories:`, or none for all",
            )
    return list(dict.fromkeys(names))


def _check_forget(database: Database, config: Config, names: Collection[str], *, verify: bool) -> None:
    with database.read() as connection:
        leaving = {one.directory for one in all_leaving(connection, config, verify=verify)}
    for name in names:
        if name not in leaving:
            raise ConfigError(
                f"--forget: {name} leaves no target",
                "remove it from the target's `directories` first; `usersyncd status` shows what leaves",
            )
