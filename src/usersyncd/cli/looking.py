"""What the commands share that only look: ``status``, ``history``, ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from usersyncd.config import Config
from usersyncd.core.report import RunReport
from usersyncd.opening import open_existing
from usersyncd.state.database import Database
from usersyncd.state.journal import INTERRUPTED
from usersyncd.state.lock import is_locked

RUNNING = "running"


@contextmanager
def looking(config: Config) -> Iterator[Database | None]:
    """The state database; None where nothing has ever run. Raises ConfigError and StateError."""
    database = open_existing(config)
    try:
        yield database
    finally:
        if database is not None:
            database.close()


def as_it_stands(database: Database, report: RunReport) -> tuple[str, RunReport]:
    """The status of a run, ``running`` while it goes on, and its report, also of one that was killed before it could
    say so."""
    if report.finished is not None:
        return report.status, report
    if is_locked(database, report.directory):
        return RUNNING, report
    return "failed", structs.replace(report, status="failed", error=INTERRUPTED)
