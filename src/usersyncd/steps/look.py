"""A part of the plan: reads the objects under the claimed keys, and finds protected ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from usersyncd.context import TargetRunContext
from usersyncd.plugin import Held, Kind, Lookup, Target
from usersyncd.state.planned import Claim, Plan, Sight

PAGES = {"bulk": 10_000, "each": 500, "list": 1_000_000}
"""Lookups in one call of ``find``, by the target's capability."""


def sees(target: Target) -> bool:
    """Whether the objects of a target can be found and read."""
    return target.capabilities.find is not None and target.capabilities.read


class Seen(Struct):
    """Findings on the objects of the plan. ``gone``: refs of records whose object does not exist; ``protected``: ref,
    kind and id of records whose object is protected."""

    gone: list[int] = field(default_factory=list)
    protected: list[tuple[int, Kind, str]] = field(default_factory=list)


async def look(target: Target, context: TargetRunContext, directory: str, plan: Plan) -> Seen:
    """Note the objects under the claimed keys in the plan. If a claiming record's object does not exist, the plan
    creates it again. Raises TargetError."""
    seen = Seen()
    if not sees(target):
        return seen
    for kind in Kind:
        gone: list[Claim] = []
        claims = plan.claimed(kind, PAGES[target.capabilities.find or "bulk"])
        while page := await asyncio.to_thread(next, claims, None):
            lookups = [Lookup(directory, claim.id, claim.key) for claim in page if claim.key is not None]
            found = [pair async for pair in target.find(kind, lookups)]
            plan.see(kind, ((asked.key, _sight(kind, context, asked, held)) for asked, held in found))
            own = plan.objects(claim.ref for claim in page if not claim.new)
            there = await read(target, kind, own.values())
            gone += [claim for claim in page if claim.ref in own and own[claim.ref] not in there]
        for claim in gone:
            plan.renew(claim)
        seen.gone += [claim.ref for claim in gone]
        if context.protects(kind):
            seen.protected += await _protected(target, context, kind, plan)
    return seen


def _sight(kind: Kind, context: TargetRunContext, asked: Lookup, held: Held) -> Sight:
    return Sight(
        held,
        exact=held.key == asked.key,
        mine=held.record == (asked.directory, asked.id),
        protected=context.protected(kind, held.key, held.attributes),
    )


async def _protected(target: Target, context: TargetRunContext, kind: Kind, plan: Plan) -> list[tuple[int, Kind, str]]:
    found: list[tuple[int, Kind, str]] = []
    for page in plan.changed(kind, PAGES["bulk"]):
        held = await read(target, kind, (change.target_id for _, change in page if change.target_id is not None))
        found += [
            (ref, kind, change.id)
            for ref, change in page
            if (one := held.get(change.target_id or "")) is not None
            and context.protected(kind, one.key, one.attributes)
        ]
    return found


async def read(target: Target, kind: Kind, target_ids: Iterable[str]) -> dict[str, Held]:
    """The objects with these target ids that exist, by target id."""
    wanted: Sequence[str] = list(dict.fromkeys(target_ids))
    if not wanted:
        return {}
    return {held.target_id: held async for held in target.read(kind, wanted)}
