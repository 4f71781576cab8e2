"""Other processes that use the same state database."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier, Event
from typing import Any

from usersyncd.errors import LockedError, StateError
from usersyncd.state.database import open_database
from usersyncd.state.lock import DIRECTORY, locked

SPAWN = multiprocessing.get_context("spawn")


def open_all(urls: list[str], start: Barrier, outcomes: Any) -> None:
    """Open these databases, each at the same moment as the others who were given ``start``."""
    for url in urls:
        start.wait(60)
        try:
            open_database(url).close()
        except StateError as error:
            outcomes.put(str(error))
        else:
            outcomes.put(None)


def hold(url: str, directory: str, held: Event) -> None:
    """Hold a lock until the process is killed."""
    with locked(open_database(url), DIRECTORY, directory):
        held.set()
        time.sleep(120)


def run_alone(url: str, file: str, rounds: int, start: Barrier) -> None:
    """Take the lock of one directory again and again; while it is held, nobody else may have written to ``file``."""
    database = open_database(url)
    start.wait(60)
    for _ in range(rounds):
        try:
            with locked(database, DIRECTORY, "hr"):
                made = os.open(file, os.O_CREAT | os.O_EXCL)  # FileExistsError: somebody else has it, too
                time.sleep(0.01)
                os.close(made)
                os.unlink(file)  # noqa: PTH108 - as os.open
        except LockedError:
            time.sleep(0.005)


@contextmanager
def holding(url: str, directory: str) -> Iterator[Any]:
    """Start a process that holds a lock, and kill it at the end."""
    held = SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(url, directory, held))
    process.start()
    try:
        assert held.wait(60)
        yield process
    finally:
        process.kill()
        process.join()
