"""Before a target is looked at: it learns that a directory has another name now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from usersyncd.blocking import to_its_end
from usersyncd.plugin import Kind, RenamingTarget, Target
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState

BETWEEN = "{0} #{1}"
"""What a target calls a directory that waits for its new name. No directory of a configuration can have this name."""


async def rename_directory(database: Database, target: Target, number: int, directory: DirectoryState) -> None:
    """Tell a target the directory's new name, if it knows an old one. Interrupted anywhere, the next run does it again.

    While the target holds another directory under the new name, that one has to be told first. In a ring, in which each
    waits for another one, this directory gets a name that is nobody's. Raises TargetError.
    """
    name = directory.name
    if await to_its_end(lambda: renaming.waiting_for(database, number, directory)):
        if not await to_its_end(lambda: renaming.is_in_ring(database, number, directory)):
            return
        name = BETWEEN.format(directory.name, directory.id)
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
    await to_its_end(lambda: renaming.told(database, number, directory.id, was, target_ids))
