"""Notices what people decide about held plans: the command line writes it into the state database.

The daemon looks there every few seconds: a person who decides may be another user, or on another machine, and cannot
send the daemon a signal. A look costs one query. SIGHUP makes the daemon look at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from usersyncd.daemon.service import Service
from usersyncd.errors import StateError

PAUSE = 5.0
"""Seconds between two looks."""


class Approvals:
    """Calls ``decided`` with the name of each target about which a person decided something since ``begin``.
    ``find`` returns the number of the last decision, and the targets of the decisions after a number."""

    def __init__(self, find: Callable[[int], tuple[int, Collection[str]]], decided: Callable[[str], None]) -> None:
        self.service = Service(self.look, PAUSE)
        self._find = find
        self._decided = decided
        self._last = 0

    async def begin(self) -> None:
        """Leave out earlier decisions: the first deliveries follow them anyway."""
        await self._targets()

    async def look(self) -> None:
        """Look once."""
        for target in await self._targets():
            self._decided(target)

    async def _targets(self) -> Collection[str]:
        try:
            self._last, targets = await asyncio.to_thread(self._find, self._last)
        except StateError:
            return ()  # Every run logs it.
        return targets
