"""What a pull of a directory and a pull of one person begin with: the lock, and the source's context."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from usersyncd.blocking import to_its_end
from usersyncd.context import SourceRunContext
from usersyncd.job import PullJob
from usersyncd.progress import Progress
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.lock import DIRECTORY, Lock, locked


@asynccontextmanager
async def locked_directory(database: Database, job: PullJob) -> AsyncIterator[Lock]:
    """Lock the directory, and also its old name as long as the state has a directory with that name."""
    stack, name, was = ExitStack(), job.directory.name, job.directory.was
    try:
        lock = await to_its_end(lambda: stack.enter_context(locked(database, DIRECTORY, name)))
        if was is not None and await to_its_end(lambda: renaming.is_known(database, was)):
            await to_its_end(lambda: stack.enter_context(locked(database, DIRECTORY, was)))
        await to_its_end(lambda: stack.enter_context(database.kept_open()))
        yield lock
    finally:
        await to_its_end(stack.close)


def source_context(
    folder: Path, job: PullJob, before: DirectoryState, progress: Progress, log: FilteringBoundLogger
) -> SourceRunContext:
    """The context of the directory's source. ``before``: the state of the directory."""
    return SourceRunContext(
        name=job.directory.name, folder=folder, log=log, waiting=progress.wait, reads=job.reads,
        mapped=job.directory.attributes, last_cursor=before.cursor,
    )  # fmt: skip
