"""Signal handlers: SIGTERM and SIGINT end the daemon, SIGHUP reloads its configuration."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

GRACE = 10.0
"""Seconds that ending may take. After that, the process exits although something still runs: this does no harm."""

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
    """Make a second signal end the process at once, and a timer end it after :data:`GRACE`."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    deadline = threading.Timer(GRACE, _abandon)
    deadline.daemon = True
    deadline.start()


def _abandon() -> None:
    structlog.get_logger().warning(
        "a run did not end in time and is abandoned: the next start continues from what was saved",
        event_name="daemon.abandoned",
    )
    os._exit(0)


def _detach(terminals: list[int]) -> None:
    """Redirect output to ``/dev/null``: the terminal that started the daemon was closed, and writing would fail."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in terminals:
        os.dup2(nowhere, stream)
