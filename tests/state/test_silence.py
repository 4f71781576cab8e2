"""A PostgreSQL server that stops answering blocks only the run that needs it, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.world import World
from tests.servers.gate import Gate
from tests.servers.postgres import Postgres
from usersyncd.errors import StateError
from usersyncd.progress import Progress
from usersyncd.state.database import PATIENCE, open_database


@pytest.fixture
def gate(postgres: Postgres) -> Iterator[Gate]:
    with Gate(postgres.port) as made:
        yield made


@pytest.fixture
def world(postgres: Postgres, gate: Gate, tmp_path: Path) -> Iterator[World]:
    url = postgres.database().replace(f":{postgres.port}/", f":{gate.port}/")
    made = World(tmp_path, state=f"{url}?connect_timeout=2")
    made.user("u1", title="Cook")
    yield made
    made.database.close()


async def longest_pause(world: World, progress: Progress | None = None) -> float:
    """Run although the state fails, and return for how long the event loop was blocked."""
    loop, worst = asyncio.get_running_loop(), 0.0
    running = asyncio.create_task(world.sync(progress))
    while not running.done():
        before = loop.time()
        await asyncio.sleep(0.02)
        worst = max(worst, loop.time() - before)
    with contextlib.suppress(StateError):
        assert running.result().status == "failed"
    return worst


def test_connecting_to_a_port_that_never_answers_times_out(gate: Gate) -> None:
    assert PATIENCE["connect_timeout"] == 10
    gate.shut()
    with pytest.raises(StateError, match=r"cannot be opened: .*timeout"):
        open_database(f"postgresql://usersyncd@127.0.0.1:{gate.port}/state?connect_timeout=2")


def test_a_silent_server_stops_nothing_else_when_a_run_begins(world: World, gate: Gate) -> None:
    gate.shut()
    assert asyncio.run(longest_pause(world)) < 1
    assert world.held() == {}


def test_a_server_that_falls_silent_while_a_directory_is_read_stops_nothing_else(world: World, gate: Gate) -> None:
    world.run()  # Of a snapshot that is empty, the spool asks nothing.
    world.user("u2", title="Cook")

    def shut(progress: Progress) -> None:
        if progress.step == "reading" and progress.count:
            gate.shut()

    world.directory.page_size = 1
    assert asyncio.run(longest_pause(world, Progress(shut))) < 1
    assert set(world.held()) == {"u1"}
    gate.open()
    assert world.run().status == "succeeded"
    assert set(world.held()) == {"u1", "u2"}
