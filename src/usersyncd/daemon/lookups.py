"""Notices changes of the files of lookup tables."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from usersyncd.config.lookups import FileStamp, stamp

Stamps = Mapping[Path, FileStamp | None]


class LookupFiles:
    """Calls ``changed`` when a file differs from its last known stamp. It reports each change once, even if the changed
    file has faults."""

    def __init__(self, stamps: Stamps, changed: Callable[[], None]) -> None:
        self._stamps = stamps
        self._changed = changed
        self._log = structlog.get_logger()

    def follow(self, stamps: Stamps) -> None:
        """Look at these files from now on."""
        self._stamps = stamps

    async def look(self) -> None:
        """Compare the files with their stamps."""
        before = self._stamps
        found = await asyncio.to_thread(lambda: {file: stamp(file) for file in before})
        # Meanwhile, a reload may have read the files again.
        if found == before or self._stamps is not before:
            return
        names = [str(file) for file in found if found[file] != before[file]]
        self._stamps = found
        self._log.info(
            f"the configuration is loaded again: {', '.join(names)} changed",
            event_name="config.lookup_changed",
            files=names,
        )
        self._changed()
