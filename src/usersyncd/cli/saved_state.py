"""Opens the state database for commands that need saved state, such as ``status``, ``history`` and ``approve``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from usersyncd.config import Config
from usersyncd.core.report import DeliveryRun
from usersyncd.opening import open_existing
from usersyncd.state.database import Database
from usersyncd.state.journal import INTERRUPTED, Report, find, subject
from usersyncd.state.lock import DIRECTORY, TARGET, is_locked

RUNNING = "running"


@contextmanager
def saved_state(config: Config) -> Iterator[Database | None]:
    """Open the state database; None if nothing has run yet. Raises ConfigError and StateError."""
    database = open_existing(config)
    try:
        yield database
    finally:
        if database is not None:
            database.close()


def current_status(database: Database, report: Report) -> tuple[str, Report]:
    """The status and the report of a run: ``running`` while it runs, ``failed`` if it was killed."""
    if report.finished is not None:
        return report.status, report
    runs = is_locked(database, TARGET if isinstance(report, DeliveryRun) else DIRECTORY, subject(report))
    with database.read() as connection:  # It may have ended after the report was read.
        report = next(iter(find(connection, report.run)), report)
    if report.finished is not None:
        return report.status, report
    if runs:
        return RUNNING, report
    return "failed", structs.replace(report, status="failed", error=INTERRUPTED)
