"""Running directories from the command line, one after the other: what ``plan`` and ``sync`` share."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer

from usersyncd import collector, logs
from usersyncd.cli.adopt import told_apart
from usersyncd.cli.common import config_file
from usersyncd.cli.names import Names
from usersyncd.cli.progress import shown_progress
from usersyncd.config import Config, load
from usersyncd.core.report import RunReport
from usersyncd.errors import ConfigError, UsersyncError
from usersyncd.job import Job, jobs
from usersyncd.nearest import nearest
from usersyncd.opening import open_state
from usersyncd.run import Wish, run
from usersyncd.state.database import Database
from usersyncd.state.subjects import ids_among
from usersyncd.wish import ALL

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the signal's number."""


@dataclass(frozen=True)
class Runs:
    """The directories to run, and what that takes. ``adopt``: for whom a person consents to adopt."""

    database: Database
    folder: Path
    jobs: Sequence[Job]
    adopt: frozenset[str]

    def each(self, wish: Wish) -> Iterator[tuple[RunReport, Names]]:
        """Run one directory after the other. What stops one is in its report, and does not stop the next."""
        for job in self.jobs:
            yield self._run(job, wish), Names(self.database, job.directory.name, job)

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

    def _run(self, job: Job, wish: Wish) -> RunReport:
        name, connector = job.directory.name, job.directory.connector
        try:
            with shown_progress(name) as watch:
                return asyncio.run(run(self.database, self.folder, job, wish, watch))
        except UsersyncError as error:
            # It never came to a run: somebody else has the directory, or the state cannot be written.
            return RunReport(name, connector, "", "failed", datetime.now(UTC).isoformat(), error=str(error))
        except KeyboardInterrupt:
            sys.stderr.write(
                f"\n{name}: stopped. Nothing is lost: what was delivered is written down, and the next run goes on "
                "from there.\n"
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
) -> Iterator[Runs]:
    """What is needed to run these directories (all, when none is named), the state database open. ``adopt`` is what
    stands behind ``--adopt``.

    Raises ConfigError, also for a directory that is not configured, and StateError.
    """
    logs.configure("info" if json else "warning")
    config = load(config_file(context, option))
    adopting, consents = told_apart(adopt or (), config.directories)
    chosen = check_names(config, [*(directories or ()), *adopting] or config.directories)
    found = jobs(config)
    database = open_state(config)
    collector.set_aside()
    try:
        yield Runs(database, config.folder, [found[name] for name in chosen], consents)
    finally:
        database.close()


def check_names(config: Config, names: Collection[str]) -> list[str]:
    """These directories, each once. Raises ConfigError for one that is not configured."""
    for name in names:
        if name not in config.directories:
            raise ConfigError(
                f"there is no directory “{name}” in {config.file}{nearest(name, config.directories)}",
                "name one of those under `directories:`, or none for all",
            )
    return list(dict.fromkeys(names))
