"""Daemons inside the process of the test: they start at once, and a test can read their state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from usersyncd.core.report import DeliveryRun, PullRun
from usersyncd.daemon import Daemon, load_jobs
from usersyncd.opening import open_state
from usersyncd.state.journal import history

R = TypeVar("R", PullRun, DeliveryRun)


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Daemon]:
    loaded = load_jobs(config)
    database = open_state(loaded.config)
    daemon = Daemon(loaded, database)
    task = asyncio.create_task(daemon.run())
    try:
        yield daemon
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        database.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # what it waits for is in a database


def pulls(daemon: Daemon) -> list[tuple[datetime, str]]:
    """Return when each pull began, and of which directory."""
    return sorted((datetime.fromisoformat(one.started), one.directory) for one in _history(daemon, PullRun))


def deliveries(daemon: Daemon) -> list[tuple[datetime, str]]:
    """Return when each finished delivery began, and its cause."""
    ended = (one for one in _history(daemon, DeliveryRun) if one.finished)
    return sorted((datetime.fromisoformat(one.started), one.cause) for one in ended)


def _history(daemon: Daemon, kind: type[R]) -> list[R]:
    with daemon.database.read() as connection:
        return [one for one in history(connection, 200) if isinstance(one, kind)]
