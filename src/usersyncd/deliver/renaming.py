"""Renames a directory in a target, before anything else is read from the target."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from usersyncd.blocking import to_its_end
from usersyncd.plugin import Kind, RenamingTarget, Target
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState

INTERMEDIATE = "{0} #{1}"
"""The name of a directory in a target while it waits for its new name. No configured directory can have this name."""


async def rename_directory(database: Database, target: Target, number: int, directory: DirectoryState) -> None:
    """Rename a directory in a target that still uses an old name. If this is interrupted, the next run repeats it.

    If the target still uses the new name for another directory, that one must be renamed first, and this one waits. In
    a ring, in which each directory waits for another one, this directory gets an intermediate name. Raises TargetError.
    """
    name = directory.name
    if await to_its_end(lambda: renaming.waiting_for(database, number, directory)):
        if not await to_its_end(lambda: renaming.is_in_ring(database, number, directory)):
            return
        name = INTERMEDIATE.format(directory.name, directory.id)
        await to_its_end(lambda: renaming.note(database, number, directory.id, name))
    for was in await to_its_end(lambda: renaming.old_names(database, number, directory.id)):
        if was != name or name == directory.name:
            await _rename(database, target, number, directory, was, name)


async def _rename(
    database: Database, target: Target, number: int, directory: DirectoryState, was: str, name: str
) -> None:
    target_ids: Mapping[Kind, Mapping[str, str]] = {}
    if target.capabilities.rename and was != name:
        held = await asyncio.to_thread(renaming.linked, database, number, directory.id)
        target_ids = await cast("RenamingTarget", target).rename(was, name, held)
    await to_its_end(lambda: renaming.finish(database, number, directory.id, was, target_ids))
