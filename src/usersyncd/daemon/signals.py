"""SIGTERM and SIGINT end the daemon, SIGHUP reloads it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

GRACE = 10.0
"""Seconds that the end may take. After them the process exits, whatever still runs: killing it does no harm."""

_ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled(end: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Call ``end`` and ``reload`` in the event loop when their signals arrive."""
    terminals = [stream for stream in (0, 1, 2) if os.isatty(stream)]

    def begin_end() -> None:
        _limit_end()
        end()

    def hang_up() -> None:
        if terminals and not any(map(os.isatty, terminals)):
            _detach(terminals)
            begin_end()
        else:
            reload()

    loop = asyncio.get_running_loop()
    handlers = {signal.SIGHUP: hang_up, **dict.fromkeys(_ENDING, begin_end)}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _limit_end() -> None:
    """Let a second signal end the process at once, and a timer end it after :data:`GRACE`."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    deadline = threading.Timer(GRACE, _abandon)
    deadline.daemon = True
    deadline.start()


def _abandon() -> None:
    structlog.get_logger().warning(
        "what runs does not end, and is left: the next start goes on from there", event_name="daemon.abandoned"
    )
    os._exit(0)


def _detach(terminals: list[int]) -> None:
    """The terminal is gone from which the daemon was started: writing to it would fail."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in terminals:
        os.dup2(nowhere, stream)
