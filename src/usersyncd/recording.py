"""Records a pull or a delivery: with a deadline, a row in the history, and one line in the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger

from usersyncd.blocking import to_its_end
from usersyncd.core import summary
from usersyncd.core.report import DeliveryRun, PullRun, status
from usersyncd.errors import (
    AmbiguousPersonError,
    ConnectorError,
    LockedError,
    UnknownPersonError,
    UsersyncError,
)
from usersyncd.options import RunOptions
from usersyncd.state import journal
from usersyncd.state.database import Database

DEADLINE = timedelta(hours=6)
"""How long a run may take. A run that reads page after page without an end would stop the service unnoticed."""
TOO_LONG = (
    f"the run was ended after {DEADLINE.total_seconds() / 3600:.0f} hours; the changes that it delivered stay\n"
    "  → see in the log what it waited for; the next run goes on from the last saved state"
)
NOBODY = (UnknownPersonError.code, AmbiguousPersonError.code)
"""The codes of a run whose fault is the name that was requested: anybody may type one where people sign in."""
STOPPED = "stopped before its end: the next run goes on from there"

Run = PullRun | DeliveryRun


def now() -> datetime:
    """The time (UTC)."""
    return datetime.now(UTC)


@asynccontextmanager
async def recorded(
    database: Database, report: Run, options: RunOptions, log: FilteringBoundLogger
) -> AsyncIterator[None]:
    """Record the run within this context: an error is stored in ``report``. The history gets a row, except for a plan,
    and for a pull of one person that changed nothing or found nobody.

    Raises LockedError if another process has the lock that the run needs, StateError if the report cannot be stored.
    """
    began, locked = time.monotonic(), False
    if options.deliver:
        await _begin(database, report)
    try:
        async with asyncio.timeout(DEADLINE.total_seconds()) as deadline:
            yield
    except LockedError:
        locked = True
        raise
    except UsersyncError as error:
        report.error, report.code = str(error), error.code
    except TimeoutError as error:
        if deadline.expired():
            report.error, report.code = TOO_LONG, "too_long"
        else:
            report.error, report.code = unexpected(error, report.connector, log), "unexpected"
    except Exception as error:
        report.error, report.code = unexpected(error, report.connector, log), "unexpected"
    except asyncio.CancelledError:
        report.error, report.code = STOPPED, "stopped"
        raise
    finally:
        if locked:
            if options.deliver:
                await to_its_end(lambda: journal.discard(database, report))
        else:
            _complete(report, time.monotonic() - began, delivered=options.deliver)
            if options.log:
                log_line(report)
            if options.deliver:
                write = journal.finish if _is_remembered(report) else journal.discard
                await to_its_end(lambda: write(database, report))


async def _begin(database: Database, report: Run) -> None:
    """Add the run to the history. A run that is cancelled meanwhile ends there."""
    try:
        await to_its_end(lambda: journal.begin(database, report))
    except asyncio.CancelledError:
        report.error, report.code = STOPPED, "stopped"
        _complete(report, 0.0, delivered=True)
        await to_its_end(lambda: journal.finish(database, report))
        raise


def _is_remembered(report: Run) -> bool:
    """Whether the history has this run: people are read one by one whenever somebody signs in."""
    if not isinstance(report, PullRun) or report.person is None or report.changed:
        return True
    return report.error is not None and report.code not in NOBODY


def _complete(report: Run, seconds: float, *, delivered: bool) -> None:
    report.finished, report.seconds = now().isoformat(), round(seconds, 3)
    for share in report.targets if isinstance(report, DeliveryRun) else ():
        share.seconds = report.seconds
        if report.error is not None and share.error is None:
            share.error, share.code = report.error, report.code
    report.status = status(report, delivered=delivered)


def unexpected(error: Exception, connector: str, log: FilteringBoundLogger) -> str:
    """Log an unexpected exception, and return the error for the report."""
    log.error("unexpected error", event_name="run.crashed", exc_info=error)
    fault = f"this is a fault of usersyncd or of the connector {connector}: report it with the log"
    return str(ConnectorError(f"unexpected: {type(error).__name__}: {error}", fault))


def log_line(report: Run) -> None:
    """Log a finished run in one line."""
    faults = list(summary.faults(report))
    delivered, pushed = isinstance(report, DeliveryRun), report.cause == "push"
    more = ({"faults": faults} if faults else {}) | ({"code": report.code} if report.code else {})
    level_of(report)(
        summary.line(report),
        event_name="delivery.finished" if delivered else "push.finished" if pushed else "pull.finished",
        run=report.run,
        status=report.status,
        cause=report.cause,
        seconds=report.seconds,
        **more,
    )


def level_of(report: Run) -> Callable[..., object]:
    """The log method for a run: its level depends on the status."""
    subject = {"directory": report.directory} if isinstance(report, PullRun) else {"target": report.target}
    log = structlog.get_logger().bind(**subject)
    methods = {"failed": log.error, "held": log.warning, "partial": log.warning}
    method = log.info if report.error == STOPPED or report.code in NOBODY else methods.get(report.status, log.info)
    return cast("Callable[..., object]", method)
