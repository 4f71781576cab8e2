"""Before a target is looked at: it learns that a directory has another name now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from usersyncd.blocking import to_its_end
from usersyncd.plugin import Kind, RenamingTarget, Target
from usersyncd.state import renaming
from usersyncd.state.database import Database
from usersyncd.state.directories import Reading


async def rename(database: Database, target: Target, number: int, directory: Reading, was: str) -> None:
    """Rename the directory in a target that knows it as ``was``. Interrupted anywhere, the next run does it again.
    Raises TargetError."""
    target_ids: Mapping[Kind, Mapping[str, str]] = {}
    if target.capabilities.rename and was != directory.name:
        held = await asyncio.to_thread(renaming.linked, database, number, directory.id)
        target_ids = await cast("RenamingTarget", target).rename(was, directory.name, held)
    await to_its_end(lambda: renaming.told(database, number, directory.id, was, target_ids))
