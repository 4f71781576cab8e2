"""Before the plan, after a complete pull: finds objects that the target says belong to this directory, of records that
neither the directory nor the state has. The state is older than the target: somebody came and left since.

They become leavers: records that are gone, with links. The plan, its guard and `leavers` decide the rest.
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


async def find_unknown(
    database: Database, target: Target, context: TargetRunContext, number: int, directory: DirectoryState
) -> bool:
    """Link such objects to records that are gone, where the target holds more objects than there are links, or others.
    Returns whether it holds fewer: somebody deleted them. Raises TargetError."""
    can, fewer = target.capabilities, False
    if not (can.count and can.list and can.read):
        return False
    inspectable = cast("Inspectable", target)
    for kind in Kind:
        count = await inspectable.count(kind, directory.name)
        if count is None:
            continue
        known = await to_its_end(lambda: unknown.count_links(database, number, directory.id, kind))  # noqa: B023
        if count > known or (can.ids and count and await _differ(database, inspectable, number, directory, kind)):
            await _find(database, inspectable, context, number, directory, kind)
        fewer = fewer or count < known
    return fewer


async def _differ(database: Database, target: Inspectable, number: int, directory: DirectoryState, kind: Kind) -> bool:
    """Whether the target holds objects of other records than those that are linked."""
    held = 0
    async for page in target.ids(kind, directory.name):
        held += names_digest(names(page))
    linked = await to_its_end(lambda: unknown.digest_links(database, number, directory.id, kind))
    return wrapped(held) != linked


async def _find(
    database: Database,
    target: Inspectable,
    context: TargetRunContext,
    number: int,
    directory: DirectoryState,
    kind: Kind,
) -> None:
    page: list[Held] = []

    async def link() -> None:
        rows = [(held.record[1], links.row(0, kind, _linked(held))) for held in page if held.record is not None]
        await to_its_end(lambda: unknown.link(database, number, directory, kind, rows))
        page.clear()

    def _linked(held: Held) -> Link:
        return Link(shape_of(held, context.layouts[kind].attributes), held.key, held.target_id)

    async for held in target.list(kind):
        mine = held.record is not None and held.record[0] == directory.name
        if mine and not context.protected(kind, held.key, held.attributes):
            page.append(held)
        if len(page) == PAGE:
            await link()
    await link()
