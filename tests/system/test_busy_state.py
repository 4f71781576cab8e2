"""While a pull saves its snapshot, the state database is locked for writing: other runs wait and do not fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.system.example import company, configure
from usersyncd.config import load
from usersyncd.opening import open_state
from usersyncd.options import RunOptions
from usersyncd.state.journal import history
from usersyncd.sync import sync_directory


async def test_a_run_that_waits_for_the_state_database_stops_nothing_else(tmp_path: Path) -> None:
    company(tmp_path)
    config = load(configure(tmp_path, {"acme": "1h"}))
    database = open_state(config)
    with database.write():
        running = asyncio.create_task(sync_directory(database, config, "acme", RunOptions()))
        beats = 0
        async with asyncio.timeout(60):
            while beats < 20:
                await asyncio.sleep(0.01)
                beats += 1
        assert not running.done()
    report = await asyncio.wait_for(running, 60)
    assert (report.status, report.error) == ("succeeded", None)
    database.close()


async def test_a_run_that_is_cancelled_while_it_waits_for_the_state_database_is_recorded(tmp_path: Path) -> None:
    company(tmp_path)
    config = load(configure(tmp_path, {"acme": "1h"}))
    database = open_state(config)
    with database.write():
        running = asyncio.create_task(sync_directory(database, config, "acme", RunOptions()))
        await asyncio.sleep(0.2)
        running.cancel()
        await asyncio.sleep(0.2)
    await asyncio.wait([running], timeout=60)
    assert running.cancelled()
    with database.read() as connection:
        [report] = history(connection, 10)
    assert (report.status, report.error) == ("failed", "stopped before its end: the next run goes on from there")
    database.close()
