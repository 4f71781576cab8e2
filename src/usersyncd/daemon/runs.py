"""Follows each run from begin to end: its progress, its result, and what its report cannot contain, such as waiting for
a lock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.daemon.activity import Activity
from usersyncd.daemon.engine import WorkItem
from usersyncd.errors import LockedError, StateError
from usersyncd.options import RunOptions
from usersyncd.progress import Progress, Wait
from usersyncd.recording import STOPPED

R = TypeVar("R", PullRun, DeliveryRun)

OnRun = Callable[[PullRun | DeliveryRun], None]

_SUBJECT = {"pull": "directory", "person": "directory", "deliver": "target"}
_LOCKED = {
    "pull": "another process is pulling this directory",
    "person": "this directory is being pulled",
    "deliver": "another process is delivering to this target",
}


class _Wait(Struct):
    """A wait for another process: since when (UTC), and after which duration it is logged again."""

    since: datetime
    logged_at: timedelta = timedelta(0)


class Runs:
    """Follows all runs. ``on_run`` receives the report of every run; without it, reports are logged."""

    def __init__(self, activity: Activity, on_run: OnRun | None) -> None:
        self._activity = activity
        self._on_run = on_run
        self._waits: dict[WorkItem, _Wait] = {}

    async def follow(
        self, item: WorkItem, interval: timedelta, run: Callable[[RunOptions, Progress], Awaitable[R]]
    ) -> R | None:
        """Await a run and return its report; None if the state database could not store one. ``interval``: that of the
        item.

        Raises LockedError if another process runs the same item.
        """
        running = self._activity.begin(item, _now())
        log = _log(item)
        try:
            report = await run(RunOptions(log=self._on_run is None), running.progress)
            self._waits.pop(item, None)
            if self._on_run is not None:
                self._on_run(report)
            if item.kind != "person":  # A name that nobody has is not a failure of the directory.
                self._activity.note(item, report.status)
        except LockedError:
            self._activity.waiting[item] = Wait("another process", _LOCKED[item.kind])
            self._log_wait(item, interval)
            raise
        except StateError as error:
            self._activity.note(item, "failed")
            # A person can correct it: no traceback.
            log.error(str(error), event_name="state.failed", code=error.code)  # noqa: TRY400
        except asyncio.CancelledError:  # the daemon ends
            if self._on_run is not None:
                log.info(STOPPED, event_name="run.stopped")
            raise
        except Exception:
            self._activity.note(item, "failed")
            log.exception(
                "unexpected error: this is a fault of usersyncd: report it with this log", event_name="run.crashed"
            )
        else:
            return report
        finally:
            del self._activity.running[item]
        return None

    def log_overdue(self, item: WorkItem, interval: timedelta) -> None:
        """Log that an item is due again although its last run, longer than the interval, has not ended."""
        running = self._activity.running.get(item)
        if running is None or _now() - running.since < 0.9 * interval:  # Runs come a little early.
            return
        running.missed += 1
        if running.missed.bit_count() == 1:  # 1, 2, 4, 8 … times: a run that hangs must not fill the log
            _log(item).warning(
                f"takes longer than its interval: it is still {running.progress.step}",
                event_name="run.overdue",
                minutes=round((_now() - running.since).total_seconds() / 60, 1),
                intervals_missed=running.missed,
            )

    def _log_wait(self, item: WorkItem, interval: timedelta) -> None:
        """Log the wait for another process at once, then after 1, 2, 4, 8 … intervals."""
        wait = self._waits.setdefault(item, _Wait(_now()))
        if _now() - wait.since < wait.logged_at:
            return
        wait.logged_at = 2 * wait.logged_at or interval
        _log(item).warning(f"{_LOCKED[item.kind]}: this run starts as soon as the other ends", event_name="run.locked")


def _log(item: WorkItem) -> Any:
    return structlog.get_logger().bind(**{_SUBJECT[item.kind]: item.name})


def _now() -> datetime:
    return datetime.now(UTC)
