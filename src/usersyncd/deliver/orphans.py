"""Before the plan, after a complete pull: finds orphans, which are objects whose records nobody knows.

The target says that they belong to this directory, but neither the directory nor the state has their records. That
happens after the state was restored from a backup: somebody came and left since. Orphans are linked to deleted records.
From then on they are leavers, and the plan, its guard and `leavers` decide what happens.
"""

from __future__ import annotations

from typing import cast

from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.digest import names, names_digest, wrapped
from usersyncd.core.links import Link, shape_of
from usersyncd.plugin import Held, Inspectable, Kind, Target
from usersyncd.state import links, unknown
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState

PAGE = 5_000


async def link_orphans(
    database: Database, target: Target, context: TargetRunContext, number: int, directory: DirectoryState
) -> bool:
    """Link orphans to deleted records, if the target holds more objects than there are links, or other objects.

    Returns whether the target holds fewer objects than there are links: somebody deleted them. Raises TargetError.
    """
    capabilities, fewer = target.capabilities, False
    if not (capabilities.count and capabilities.list and capabilities.read):
        return False
    inspectable = cast("Inspectable", target)
    for kind in Kind:
        count = await inspectable.count(kind, directory.name)
        if count is None:
            continue
        known, linked = await to_its_end(lambda: unknown.linked_ids(database, number, directory.id, kind))  # noqa: B023
        if count > known or (capabilities.ids and count and await _digest(inspectable, directory.name, kind) != linked):
            await _link(database, inspectable, context, number, directory, kind)
        fewer = fewer or count < known
    return fewer


async def _digest(target: Inspectable, directory: str, kind: Kind) -> int:
    """The digest of the ids of the records whose objects the target holds."""
    held = 0
    async for page in target.ids(kind, directory):
        held += names_digest(names(page))
    return wrapped(held)


async def _link(
    database: Database,
    target: Inspectable,
    context: TargetRunContext,
    number: int,
    directory: DirectoryState,
    kind: Kind,
) -> None:
    """List all objects of a kind, and link those of this directory that have no record."""
    page: list[Held] = []

    async def link() -> None:
        rows = [(held.record[1], links.row(0, kind, _linked(held))) for held in page if held.record is not None]
        await to_its_end(lambda: unknown.link(database, number, directory, kind, rows))
        page.clear()

    def _linked(held: Held) -> Link:
        return Link(shape_of(held, context.layouts[kind].attributes), held.key, held.target_id)

    async for held in target.list(kind):
        is_of_directory = held.record is not None and held.record[0] == directory.name
        if is_of_directory and not context.protected(kind, held.key, held.attributes):
            page.append(held)
        if len(page) == PAGE:
            await link()
    await link()
