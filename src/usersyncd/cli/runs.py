"""Running directories from the command line, one after the other: what ``plan`` and ``sync`` share."""

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
"""The exit code after Ctrl-C, as shells have it: 128 and the signal's number."""


@dataclass(frozen=True)
class Runs:
    """The directories to run, and what that takes. ``adopt``: for whom a person consents to adopt; ``forget``: the
    directories of which a person consents to let everything leave."""

    database: Database
    folder: Path
    jobs: Sequence[Job]
    adopt: frozenset[str]
    forget: frozenset[str]
    quiet: bool

    def each(self, options: RunOptions) -> Iterator[tuple[RunReport, RecordNames]]:
        """Run one directory after the other. What stops one is in its report, and does not stop the next."""
        for job in self.jobs:
            yield self._run(job, options), RecordNames(self.database, job.directory.name, job)

    def verify_consents(self) -> None:
        """Raises ConfigError when a person consented for a record that is in none of the directories."""
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
            # It never came to a run: somebody else has the directory, or the state cannot be written.
            return RunReport(name, connector, "", "failed", datetime.now(UTC).isoformat(), error=str(error))
        except KeyboardInterrupt:
            say(
                f"\n{name}: stopped. Nothing is lost: what was delivered is written down, and the next run goes on "
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
) -> Iterator[Runs]:
    """What is needed to run these directories (all, when none is named), the state database open. ``adopt`` and
    ``forget`` are what stands behind ``--adopt`` and ``--forget``. ``target``: the only one that is delivered to, and
    the directories are by default its own. ``verify``: the targets are verified.
    ``quiet``: no progress is shown; ``verbose``: the log tells more than warnings.

    Raises ConfigError, also for a directory or target that is not known, and StateError.
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
        yield Runs(database, config.folder, [found[name] for name in chosen], consents, frozenset(forget or ()), quiet)
    finally:
        database.close()


def _jobs(config: Config, forget: Collection[str], *, verify: bool) -> dict[str, Job]:
    """The jobs of all directories that are in the file, and of those out of it of which something has to leave, or to
    be verified. Raises ConfigError when nothing of a directory to ``forget`` leaves."""
    found = jobs(config)
    with saved_state(config) as database:
        if database is not None:
            found |= removed_jobs(database, config, found, verify=verify)
            _check_forget(database, config, [name for name in forget if name in found], verify=verify)
    return found


def _reached(config: Config, found: dict[str, Job], target: str) -> list[str]:
    """The directories that the target lists, and those out of the file that leave it. Raises ConfigError."""
    if target not in config.targets:
        raise ConfigError(
            f"--target: there is no target “{target}” in {config.file}{nearest(target, config.targets)}",
            "name one of those under `targets:`, or none for all",
        )
    return [
        name for name, job in found.items() if any(each.target.name == target for each in job.deliveries or job.leaving)
    ]


def check_names(config: Config, names: Collection[str], known: Collection[str]) -> list[str]:
    """These directories, each once. Raises ConfigError for one that is not known."""
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
                f"--forget: nothing of {name} leaves a target",
                "take it out of the target's `directories` first; `usersyncd status` says what leaves",
            )
