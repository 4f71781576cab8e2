"""Before the plan: resolves the outcome of unanswered changes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from usersyncd.core.links import PendingOutcome, ResolvedChange, answers, resolve
from usersyncd.deliver.objects import LOOKUPS, is_readable, read_objects
from usersyncd.plugin import Held, Kind, Layout, Lookup, Op, Target
from usersyncd.state import links, sent
from usersyncd.state.bulk import batched
from usersyncd.state.database import Database
from usersyncd.state.ledger import Ledger
from usersyncd.state.sent import Sent


async def resolve_unanswered(
    database: Database, target: Target, number: int, ledger: Ledger, layouts: Mapping[Kind, Layout]
) -> None:
    """Read the objects of the changes that were sent and never answered, and store the outcomes. If the target
    cannot be read, the next plan sends them again. Raises TargetError."""
    with database.read() as connection:
        steps = sent.unanswered(connection, number)
    if not steps:
        return
    if not is_readable(target):
        await asyncio.to_thread(ledger.presume, steps)
        return
    resolved: list[tuple[Sent, ResolvedChange]] = []
    for kind in Kind:
        of_kind = [step for step in steps if step.change.kind is kind and not step.members]
        if of_kind:
            resolved += await _resolved(database, target, number, kind, of_kind, layouts[kind])
    members = [step for step in steps if step.members]
    await asyncio.to_thread(ledger.resolve, resolved, members)


async def _resolved(
    database: Database, target: Target, number: int, kind: Kind, steps: Sequence[Sent], layout: Layout
) -> list[tuple[Sent, ResolvedChange]]:
    """The outcome of each change of one kind. The outcomes depend on each other, because an object belongs to one
    record only."""
    at_id = await read_objects(
        target, kind, (step.change.target_id for step in steps if step.change.target_id is not None)
    )
    at_key = await _under_their_keys(target, kind, steps, layout)
    with database.read() as connection:
        objects = {held.target_id for objects in at_key.values() for held in objects}
        owners = links.linked(connection, number, kind, objects)
    # If the target id contains the key, a record of this batch may be linked to the object by its old key.
    batch = {step.ref for step in steps}
    others = {target_id for target_id, ref in owners.items() if ref not in batch}
    found = [_found_objects(step, at_id, at_key.get(_record(step), []), others, layout) for step in steps]
    resolved = [_outcome(step, objects, layout) for step, objects in zip(steps, found, strict=True)]
    for _ in steps:
        # Creates and unclear changes are resolved again, without the objects that other records of the batch have.
        taken = _taken(steps, resolved)
        again = [
            one
            if step.change.op is not Op.CREATE and one.outcome is not PendingOutcome.UNCLEAR
            else _outcome(step, _without(objects, step.ref, taken), layout)
            for step, objects, one in zip(steps, found, resolved, strict=True)
        ]
        if again == resolved:
            break
        resolved = again
    return list(zip(steps, resolved, strict=True))


FoundObjects = tuple[Held | None, list[Held]]
"""The object under a change's target id, and those under the key that the change writes."""


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
    for page in batched(lookups, LOOKUPS[target.capabilities.find or "bulk"]):
        async for lookup, held in target.find(kind, page):
            if answers(held, lookup):
                found.setdefault((lookup.directory, lookup.id), []).append(held)
    return found


def _found_objects(
    step: Sent, at_id: Mapping[str, Held], at_key: Sequence[Held], others: Collection[str], layout: Layout
) -> FoundObjects:
    """The objects that show the outcome of one change. ``others``: target ids that are linked to other records."""
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


def _outcome(step: Sent, found: FoundObjects, layout: Layout) -> ResolvedChange:
    return resolve(step.change, *found, layout.attributes, layout.key)


def _taken(steps: Sequence[Sent], resolved: Sequence[ResolvedChange]) -> dict[str, set[int]]:
    """Target id -> refs of the batch's records that have this object. Unclear changes are left out."""
    taken: dict[str, set[int]] = {}
    for step, one in zip(steps, resolved, strict=True):
        target_id = step.change.target_id if one.held is None else one.held.target_id
        if target_id is not None and one.outcome not in (PendingOutcome.ENDED, PendingOutcome.UNCLEAR):
            taken.setdefault(target_id, set()).add(step.ref)
    return taken


def _without(found: FoundObjects, ref: int, taken: Mapping[str, set[int]]) -> FoundObjects:
    """The objects found for a record, without those that other records have."""
    own, at_key = found
    left = [held for held in at_key if not _is_taken(held, ref, taken)]
    return (None if own is not None and _is_taken(own, ref, taken) else own), left


def _is_taken(held: Held, ref: int, taken: Mapping[str, set[int]]) -> bool:
    """Whether another record has this object."""
    return bool(taken.get(held.target_id, set()) - {ref})
