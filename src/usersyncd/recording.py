"""What a pull and a delivery have in common: a deadline, a row in the history, and one line in the log."""

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
from usersyncd.errors import ConnectorError, LockedError, UsersyncError
from usersyncd.options import RunOptions
from usersyncd.state import journal
from usersyncd.state.database import Database

DEADLINE = timedelta(hours=6)
"""How long a run may take: one that goes on page after page without an end is a silent stop."""
TOO_LONG = (
    f"ended after {DEADLINE.total_seconds() / 3600:.0f} hours, without an end in sight: what was delivered counts\n"
    "  → see in the log what it waited for; the next run goes on from the last saved state"
)
STOPPED = "stopped before its end: the next run goes on from there"

Run = PullRun | DeliveryRun


def now() -> datetime:
    """The time (UTC)."""
    return datetime.now(UTC)


@asynccontextmanager
async def recorded(
    database: Database, report: Run, options: RunOptions, log: FilteringBoundLogger
) -> AsyncIterator[None]:
    """Record what happens within: an error ends up in ``report``. The history gets a row unless nothing is delivered.

    Raises LockedError if another process holds what the run needs, StateError if the state database cannot even take
    the report.
    """
    began, locked = time.monotonic(), False
    try:
        if options.deliver:
            await to_its_end(lambda: journal.begin(database, report))
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
                await to_its_end(lambda: journal.finish(database, report))


def _complete(report: Run, seconds: float, *, delivered: bool) -> None:
    report.finished, report.seconds = now().isoformat(), round(seconds, 3)
    for share in report.targets if isinstance(report, DeliveryRun) else ():
        share.seconds = report.seconds
        if report.error is not None and share.error is None:
            share.error, share.code = report.error, report.code
    report.status = status(report, delivered=delivered)


def unexpected(error: Exception, connector: str, log: FilteringBoundLogger) -> str:
    """The error that a report gets for an exception that nobody foresaw."""
    log.error("unexpected error", event_name="run.crashed", exc_info=error)
    fault = f"this is a fault of usersyncd or of the connector {connector}: report it with the log"
    return str(ConnectorError(f"unexpected: {type(error).__name__}: {error}", fault))


def log_line(report: Run) -> None:
    """The one line that an operator reads of a run."""
    faults = list(summary.faults(report))
    more = ({"faults": faults} if faults else {}) | ({"code": report.code} if report.code else {})
    level_of(report)(
        summary.line(report),
        event_name="pull.finished" if isinstance(report, PullRun) else "delivery.finished",
        run=report.run,
        status=report.status,
        cause=report.cause,
        seconds=report.seconds,
        **more,
    )


def level_of(report: Run) -> Callable[..., object]:
    """The method of the log for a run: as loud as its status."""
    whose = {"directory": report.directory} if isinstance(report, PullRun) else {"target": report.target}
    log = structlog.get_logger().bind(**whose)
    loud = {"failed": log.error, "held": log.warning, "partial": log.warning}
    found = log.info if report.error == STOPPED else loud.get(report.status, log.info)
    return cast("Callable[..., object]", found)
