"""Messages to systemd while the daemon works: a status line, and signs of life."""

from __future__ import annotations

from collections.abc import Callable

from usersyncd import notify
from usersyncd.daemon.service import Service

PAUSE = 1.0
"""Seconds between two looks at what the daemon does."""


class StatusLine:
    """Sends ``line()`` to systemd whenever it has changed."""

    def __init__(self, line: Callable[[], str]) -> None:
        self.service = Service(self._show, PAUSE)
        self._line = line
        self._shown = ""

    def ready(self) -> None:
        """Report that the daemon has started, or that a reload has ended."""
        self._shown = self._line()
        notify.ready(self._shown)

    async def _show(self) -> None:
        if (line := self._line()) != self._shown:
            self._shown = line
            notify.status(line)


def watchdog() -> Service | None:
    """A service that sends signs of life; None if systemd expects none."""

    async def alive() -> None:
        notify.watchdog()

    interval = notify.watchdog_interval()
    return None if interval is None else Service(alive, interval)
