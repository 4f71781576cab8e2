"""Before the plan: looks up the target ids of links that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from usersyncd.core.links import Link, State, answers, shape_of
from usersyncd.deliver.objects import LOOKUPS, is_readable
from usersyncd.plugin import Held, Kind, Layout, Lookup, Target
from usersyncd.state import links, progress_store
from usersyncd.state.bulk import batched
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState


async def look_up_target_ids(
    database: Database, target: Target, number: int, directory: DirectoryState, layouts: Mapping[Kind, Layout]
) -> None:
    """Look up the target ids of links that have none: those of an earlier release, and those that lost their ids.

    Nothing is adopted, because these records were delivered before. Raises TargetError.
    """
    if not is_readable(target):
        return
    for kind in Kind:
        with database.read() as connection:
            earlier = list(links.unlinked(connection, number, kind, directory.id))
        for page in batched(earlier, LOOKUPS[target.capabilities.find or "bulk"]):
            await _link(database, target, number, kind, page, layouts[kind])


async def _link(
    database: Database, target: Target, number: int, kind: Kind, records: Sequence[tuple[int, Lookup]], layout: Layout
) -> None:
    """Store the target ids of these records. A link without an object ends; one with several objects stays as it
    is."""
    with database.read() as connection:
        known = links.known(connection, number, [ref for ref, _ in records])
    lookups = [*(lookup for _, lookup in records), *_renamed(records, known, layout)]
    found: dict[str, dict[str, Held]] = {}
    async for asked, held in target.find(kind, lookups):
        if answers(held, asked):
            found.setdefault(asked.id, {})[held.target_id] = held
    with database.write() as connection:
        owners = links.linked(connection, number, kind, {target_id for held in found.values() for target_id in held})
        rows: list[links.Row] = []
        ended: list[int] = []
        for ref, lookup in records:
            objects = [held for held in found.get(lookup.id, {}).values() if held.target_id not in owners]
            own = [held for held in objects if held.record == (lookup.directory, lookup.id)] or objects
            if len(own) == 1:
                rows.append(links.row(ref, kind, _linked(known[ref], own[0], layout)))
            elif not objects:
                ended.append(ref)
        links.write(connection, number, rows)
        links.end(connection, number, ended)
        progress_store.retry(connection, number, ended)


def _renamed(records: Sequence[tuple[int, Lookup]], known: Mapping[int, Link], layout: Layout) -> list[Lookup]:
    """Lookups by the new key, for links whose change of the key was not answered."""
    lookups: list[Lookup] = []
    for ref, lookup in records:
        key = known[ref].shape.get(layout.key)
        if known[ref].state is State.PENDING and isinstance(key, str | int) and key != lookup.key:
            lookups.append(Lookup(lookup.directory, lookup.id, key))
    return lookups


def _linked(link: Link, held: Held, layout: Layout) -> Link:
    if link.state is not State.PENDING:
        return Link(link.shape, held.key, held.target_id, link.state, link.left_at)
    # The last change was not answered, so the shape is taken from the object.
    state = State.CONFIRMED if link.left_at is None else State.LEAVER
    return Link(shape_of(held, layout.attributes), held.key, held.target_id, state, link.left_at)
