"""The stores of the directories that push: one for each, as the configuration says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from usersyncd.errors import PluginError
from usersyncd.job import PullJob
from usersyncd.state.database import Database

if TYPE_CHECKING:
    from usersyncd.push.receiver import DirectoryReceiver
    from usersyncd.scim.store import ResourceStore

PATIENCE = 10.0
"""Seconds in which accepted requests are saved when the daemon ends."""


class Receivers:
    """``pushed``: is called with the name of a directory and the id of its push's run after each commit."""

    def __init__(self, database: Database, pushed: Callable[[str, str], None]) -> None:
        self._database = database
        self._pushed = pushed
        self._receivers: dict[str, DirectoryReceiver] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, directory: str) -> ResourceStore | None:
        """The store of a directory; None if no directory with this name pushes."""
        return self._receivers.get(directory)

    def follow(self, pulls: Mapping[str, PullJob]) -> None:
        """Receive the directories of this configuration that push. Requests that were accepted before are saved.

        Raises PluginError if the libraries are not installed.
        """
        jobs = {name: job for name, job in pulls.items() if job.receiving is not None}
        for name in self._receivers.keys() - jobs.keys():
            self._receivers.pop(name).stop()
        for name, job in jobs.items():
            if (receiver := self._receivers.get(name)) is not None:
                receiver.job = job
            else:
                self._start(name, job)

    async def stop(self) -> None:
        """Refuse new requests, and return when those that were accepted are saved."""
        for receiver in self._receivers.values():
            receiver.stop()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _start(self, name: str, job: PullJob) -> None:
        try:
            from usersyncd.push.receiver import (
                DirectoryReceiver,  # `run` without such a directory does not need its libraries.
            )
        except ImportError as error:
            raise PluginError(
                f"{name} pushes, which needs the library {error.name}", "pip install 'usersyncd[web]'"
            ) from error
        receiver = self._receivers[name] = DirectoryReceiver(self._database, job, lambda run: self._pushed(name, run))
        task = asyncio.create_task(receiver.run(), name=f"receive {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
