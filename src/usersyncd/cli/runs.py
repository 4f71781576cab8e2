"""Shared by ``plan`` and ``sync``: runs directories from the command line, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from usersyncd import logs, memory
from usersyncd.cli.adopt import split_values
from usersyncd.cli.common import config_file, say
from usersyncd.cli.names import RecordNames, rules_of
from usersyncd.cli.progress import shown_progress
from usersyncd.cli.saved_state import saved_state
from usersyncd.config import Config, load
from usersyncd.core.report import RunReport
from usersyncd.deliver.leaving_directories import all_leaving
from usersyncd.errors import ConfigError
from usersyncd.job import DeliveryJob, PullJob, delivery_jobs, jobs
from usersyncd.nearest import nearest
from usersyncd.opening import open_state
from usersyncd.options import ALL, RunOptions
from usersyncd.progress import Progress
from usersyncd.state.candidates import ids_among
from usersyncd.state.database import Database
from usersyncd.sync import sync

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in shells: 128 plus the number of the signal."""


@dataclass(frozen=True)
class DirectoryRuns:
    """The directories that a command runs, with everything that their runs need.

    ``folder``: relative paths of the configuration start there. ``adopt``: the ids of the records for which objects may
    be adopted.
    """

    database: Database
    folder: Path
    pulls: Mapping[str, PullJob]
    deliveries: Mapping[str, DeliveryJob]
    directories: Sequence[str]
    adopt: frozenset[str]
    quiet: bool

    def run(self, options: RunOptions) -> list[tuple[RunReport, RecordNames]]:
        """Pull the directories and deliver them. An error is in the report, and does not stop the next directory."""
        try:
            reports = asyncio.run(
                sync(self.database, self.folder, self.pulls, self.deliveries, self.directories, options, self._shown)
            )
        except KeyboardInterrupt:
            say(
                "\nstopped. Nothing is lost: what was delivered is recorded, and the next run continues from there.",
                error=True,
            )
            raise typer.Exit(INTERRUPTED) from None
        return [(report, self.names(report.directory)) for report in reports]

    def names(self, directory: str) -> RecordNames:
        """The names of a directory's records."""
        return RecordNames(self.database, directory, rules_of(self.pulls.get(directory), self.database, directory))

    def check_adopted_ids(self) -> None:
        """Raises ConfigError if ``--adopt`` names a record that is in none of the directories."""
        if not (wanted := self.adopt - {ALL}):
            return
        with self.database.read() as connection:
            unknown = sorted(wanted - ids_among(connection, self.directories, wanted))
        if unknown:
            raise ConfigError(
                f"--adopt: no record of {', '.join(self.directories)} has the id {', '.join(unknown)}",
                "copy the id from the report of the run, and name the directory of that record",
            )

    def _shown(self, name: str) -> AbstractContextManager[Progress]:
        return shown_progress(name, quiet=self.quiet)


@contextmanager
def opened(
    context: typer.Context,
    option: Path | None,
    directories: Collection[str] | None,
    adopt: Sequence[str] | None,
    *,
    json: bool,
    target: str | None = None,
    verify: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> Iterator[DirectoryRuns]:
    """Open the state database and prepare the runs of these directories; all directories if none is named.

    ``adopt``: the values of ``--adopt``. ``target``: the only target to deliver to; the directories are then those that
    it lists. ``verify``: compare the targets with what was delivered. ``quiet``: show no progress. ``verbose``: log
    more than warnings.

    Raises ConfigError, also for an unknown directory or target, and StateError.
    """
    logs.configure("debug" if verbose else "info" if json else "warning")
    config = load(config_file(context, option))
    pulls = jobs(config)
    deliveries = delivery_jobs(pulls.values())
    known = [*pulls, *_removed(config, verify=verify)]
    adopting, consents = split_values(adopt or (), known)
    if target is not None:
        deliveries = {target: _delivery(config, deliveries, target)}
    reached = known if target is None else [name for name in known if _reaches(deliveries[target], name)]
    chosen = check_names(config, [*(directories or ()), *adopting] or reached, known)
    if missed := [name for name in chosen if name not in reached]:
        raise ConfigError(
            f"--target: {target} does not list the directory {missed[0]}",
            f"name directories that {target} lists, or leave --target out",
        )
    database = open_state(config)
    memory.tune()
    try:
        yield DirectoryRuns(database, config.folder, pulls, deliveries, chosen, consents, quiet)
    finally:
        database.close()


def _removed(config: Config, *, verify: bool) -> list[str]:
    """The directories that are no longer in the file, and of which a target still holds something."""
    with saved_state(config) as database:
        if database is None:
            return []
        with database.read() as connection:
            leaving = all_leaving(connection, config, verify=verify)
    names = dict.fromkeys(one.directory for one in leaving)
    return [name for name in names if name not in config.directories]


def _delivery(config: Config, deliveries: Mapping[str, DeliveryJob], target: str) -> DeliveryJob:
    if target not in config.targets:
        raise ConfigError(
            f"--target: there is no target “{target}” in {config.file}{nearest(target, config.targets)}",
            "name a target that is under `targets:`; without --target, all are used",
        )
    return deliveries[target]


def _reaches(delivery: DeliveryJob, directory: str) -> bool:
    """Whether a delivery to a target may change something of a directory: the target lists it, or no target does and
    the directory leaves them."""
    return directory in delivery.shares or all(directory not in each.target.directories for each in delivery.everyone)


def check_names(config: Config, names: Collection[str], known: Collection[str]) -> list[str]:
    """These directories, each once. Raises ConfigError for an unknown one."""
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no directory “{name}” in {config.file}{nearest(name, known)}",
                "name a directory that is under `directories:`; without a name, all are used",
            )
    return list(dict.fromkeys(names))
