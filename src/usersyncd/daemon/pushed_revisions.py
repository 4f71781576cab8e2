"""Notices what another process changes in the snapshot of a directory that pushes.

`usersyncd expect --end` deletes what the provider did not send. No pull at an interval would lead to its delivery.

The daemon looks every few seconds, as it looks for decisions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from usersyncd.daemon.service import Service
from usersyncd.errors import StateError

PAUSE = 5.0
"""Seconds between two looks."""


class PushedRevisions:
    """Calls ``changed`` with the name of each directory whose revision is another one than at the last look. ``find``:
    the revisions of the directories that push. A change of the daemon's own is noticed once more, which does no harm:
    a delivery that is up to date ends at once."""

    def __init__(self, find: Callable[[], Mapping[str, int]], changed: Callable[[str], None]) -> None:
        self.service = Service(self.look, PAUSE)
        self._find = find
        self._changed = changed
        self._known: Mapping[str, int] | None = None

    async def look(self) -> None:
        """Look once. The first look only remembers: what was there at the start is delivered by the first pulls."""
        try:
            found = await asyncio.to_thread(self._find)
        except StateError:
            return  # Every run logs it.
        known = found if self._known is None else self._known
        for name, revision in found.items():
            if known.get(name) != revision:
                self._changed(name)
        self._known = found
