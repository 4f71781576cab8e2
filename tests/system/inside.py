"""Daemons inside this process: no start to wait for, and what they decide can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from usersyncd.daemon import Daemon, load_jobs
from usersyncd.opening import open_state
from usersyncd.state.journal import history


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Daemon]:
    loaded, jobs = load_jobs(config)
    database = open_state(loaded)
    daemon = Daemon(loaded, jobs, database)
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


def runs(daemon: Daemon) -> list[tuple[datetime, str]]:
    """When each run began, and of which directory."""
    with daemon.database.read() as connection:
        return sorted((datetime.fromisoformat(one.started), one.directory) for one in history(connection, 100))
