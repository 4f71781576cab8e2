"""Notes when tokens are used, so that ``status`` shows which of two may be removed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from usersyncd.errors import StateError
from usersyncd.state import token_uses
from usersyncd.state.database import Database

PAUSE = 60.0
"""Seconds between two notes of the same token: a provider may send hundreds of requests in each of them."""


class TokenUse:
    """Notes the uses of tokens in the background."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[tuple[str, str], float] = {}
        self._tasks = set[asyncio.Task[None]]()

    def note(self, directory: str, token: str) -> None:
        """A request to a directory was let through with a token (its name)."""
        now, key = self._clock(), (directory, token)
        if now - self._noted.get(key, -PAUSE) < PAUSE:
            return
        self._noted[key] = now
        task = asyncio.create_task(self._store(directory, token, datetime.now(UTC)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _store(self, directory: str, token: str, at: datetime) -> None:
        with suppress(StateError):  # The request itself meets the same fault, and says so.
            await asyncio.to_thread(token_uses.note, self._database, directory, token, at)
