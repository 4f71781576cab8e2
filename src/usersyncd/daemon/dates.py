"""Notices the dates at which targets are due after another process, such as ``usersyncd sync``, delivered to them.

The daemon learns the next date of a target from its own deliveries. It looks into the state database every few seconds
for those of other processes. A look costs a query for each target.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from usersyncd.daemon.service import Service
from usersyncd.errors import StateError

PAUSE = 5.0
"""Seconds between two looks."""

NextDates = Mapping[str, datetime]
"""The next date of each target that has one, by its name."""


class Dates:
    """Calls ``changed`` with a target and its next date when ``find`` returns another date than before."""

    def __init__(self, find: Callable[[], NextDates], changed: Callable[[str, datetime], None]) -> None:
        self.service = Service(self.look, PAUSE)
        self._find = find
        self._changed = changed
        self._known: NextDates = {}

    async def begin(self) -> None:
        """Leave out the present dates: the first deliveries follow them anyway."""
        self._known = await self._dates()

    async def look(self) -> None:
        """Look once."""
        before, self._known = self._known, await self._dates()
        for target, due in self._known.items():
            if due != before.get(target):
                self._changed(target, due)

    async def _dates(self) -> NextDates:
        try:
            return await asyncio.to_thread(self._find)
        except StateError:
            return self._known  # Every run logs it.
