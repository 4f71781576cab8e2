"""Before the plan: settles unanswered changes, and looks up missing target ids."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from usersyncd.core.links import Link, PendingOutcome, Settled, State, answers, settle, shape_of
from usersyncd.deliver.look import PAGES, read, sees
from usersyncd.plugin import Held, Kind, Layout, Lookup, Op, Target
from usersyncd.state import links, sent
from usersyncd.state.bulk import batched
from usersyncd.state.database import Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.ledger import Ledger
from usersyncd.state.sent import Sent


async def settle_unanswered(
    database: Database, target: Target, number: int, ledger: Ledger, layouts: Mapping[Kind, Layout]
) -> None:
    """Read the objects of changes that were sent and not answered, and store the outcome. Raises TargetError."""
    with database.read() as connection:
        steps = sent.unanswered(connection, number)
    if not steps:
        return
    if not sees(target):
        await asyncio.to_thread(ledger.presume, steps)
        return
    settled: list[tuple[Sent, Settled]] = []
    for kind in Kind:
        mine = [step for step in steps if step.change.kind is kind and not step.members]
        if mine:
            settled += await _settled(database, target, number, kind, mine, layouts[kind])
    members = [step for step in steps if step.members]
    await asyncio.to_thread(ledger.settle, settled, members)


async def _settled(
    database: Database, target: Target, number: int, kind: Kind, steps: Sequence[Sent], layout: Layout
) -> list[tuple[Sent, Settled]]:
    at_id = await read(target, kind, (step.change.target_id for step in steps if step.change.target_id is not None))
    at_key = await _under_their_keys(target, kind, steps, layout)
    with database.read() as connection:
        objects = {held.target_id for some in at_key.values() for held in some}
        owners = links.linked(connection, number, kind, objects)
    # If the target id contains the key, a record of this batch may be linked to the object by its old key.
    batch = {step.ref for step in steps}
    others = {target_id for target_id, ref in owners.items() if ref not in batch}
    sights = [_sight(step, at_id, at_key.get(_record(step), []), others, layout) for step in steps]
    settled = [_judged(step, sight, layout) for step, sight in zip(steps, sights, strict=True)]
    for _ in steps:
        # An object belongs to one record only. This decides creates and unclear changes.
        taken = _taken(steps, settled)
        again = [
            one
            if step.change.op is not Op.CREATE and one.fate is not PendingOutcome.UNCLEAR
            else _judged(step, _without(sight, step.ref, taken), layout)
            for step, sight, one in zip(steps, sights, settled, strict=True)
        ]
        if again == settled:
            break
        settled = again
    return list(zip(steps, settled, strict=True))


Sighted = tuple[Held | None, list[Held]]
"""The object under a change's target id, and those under the key that the change was to give."""


def _record(step: Sent) -> tuple[str, str]:
    return step.change.directory, step.change.id


async def _under_their_keys(
    target: Target, kind: Kind, steps: Sequence[Sent], layout: Layout
) -> dict[tuple[str, str], list[Held]]:
    """The objects under the old and new keys of these changes, by directory and record id."""
    lookups = [
        Lookup(step.change.directory, step.change.id, key)
        for step in steps
        for key in dict.fromkeys((step.change.key, (step.change.after or {}).get(layout.key)))
        if isinstance(key, str | int)
    ]
    found: dict[tuple[str, str], list[Held]] = {}
    for some in batched(lookups, PAGES[target.capabilities.find or "bulk"]):
        async for asked, held in target.find(kind, some):
            if answers(held, asked):
                found.setdefault((asked.directory, asked.id), []).append(held)
    return found


def _sight(
    step: Sent, at_id: Mapping[str, Held], at_key: Sequence[Held], others: Collection[str], layout: Layout
) -> Sighted:
    change = step.change
    own = at_id.get(change.target_id or "")
    if own is not None:
        # The lookup has the key in the form of the rules: text, although the column may hold a number.
        own = next((held for held in at_key if held.target_id == own.target_id), own)
    key = (change.after or {}).get(layout.key)
    new = {
        held.target_id: held
        for held in at_key
        if (held.key == key or held.record is not None)
        and held.target_id not in others
        and (own is None or held.target_id != own.target_id)
    }
    return own, list(new.values())


def _judged(step: Sent, sight: Sighted, layout: Layout) -> Settled:
    return settle(step.change, *sight, layout.attributes, layout.key)


def _taken(steps: Sequence[Sent], settled: Sequence[Settled]) -> dict[str, set[int]]:
    """Target id -> refs of the batch's records that have this object. Unclear changes are left out."""
    taken: dict[str, set[int]] = {}
    for step, one in zip(steps, settled, strict=True):
        target_id = step.change.target_id if one.held is None else one.held.target_id
        if target_id is not None and one.fate not in (PendingOutcome.ENDED, PendingOutcome.UNCLEAR):
            taken.setdefault(target_id, set()).add(step.ref)
    return taken


def _without(sight: Sighted, ref: int, taken: Mapping[str, set[int]]) -> Sighted:
    """The objects found for a record, without those of other records."""
    own, at_key = sight
    mine = [held for held in at_key if not _is_others(held, ref, taken)]
    return (None if own is not None and _is_others(own, ref, taken) else own), mine


def _is_others(held: Held, ref: int, taken: Mapping[str, set[int]]) -> bool:
    return bool(taken.get(held.target_id, set()) - {ref})


async def link_earlier(
    database: Database, target: Target, number: int, directory: DirectoryState, layouts: Mapping[Kind, Layout]
) -> None:
    """Look up the target ids of links that have none: those from the last release, and those that lost theirs.

    This is no adoption, because these records were delivered before. Raises TargetError.
    """
    if not sees(target):
        return
    for kind in Kind:
        with database.read() as connection:
            earlier = list(links.unlinked(connection, number, kind, directory.id))
        for some in batched(earlier, PAGES[target.capabilities.find or "bulk"]):
            await _link(database, target, number, kind, some, layouts[kind])


async def _link(
    database: Database, target: Target, number: int, kind: Kind, some: Sequence[tuple[int, Lookup]], layout: Layout
) -> None:
    with database.read() as connection:
        known = links.known(connection, number, [ref for ref, _ in some])
    wanted = [*(lookup for _, lookup in some), *_renamed(some, known, layout)]
    found: dict[str, dict[str, Held]] = {}
    async for asked, held in target.find(kind, wanted):
        if answers(held, asked):
            found.setdefault(asked.id, {})[held.target_id] = held
    with database.write() as connection:
        owners = links.linked(connection, number, kind, {one for held in found.values() for one in held})
        rows: list[links.Row] = []
        ended: list[int] = []
        for ref, lookup in some:
            objects = [held for held in found.get(lookup.id, {}).values() if held.target_id not in owners]
            own = [held for held in objects if held.record == (lookup.directory, lookup.id)] or objects
            if len(own) == 1:
                rows.append(links.row(ref, kind, _linked(known[ref], own[0], layout)))
            elif not objects:
                ended.append(ref)
        links.write(connection, number, rows)
        links.end(connection, number, ended)
        links.retry(connection, number, ended)


def _renamed(some: Sequence[tuple[int, Lookup]], known: Mapping[int, Link], layout: Layout) -> list[Lookup]:
    """Lookups by the new key, for links whose change of the key was not answered."""
    lookups: list[Lookup] = []
    for ref, lookup in some:
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
