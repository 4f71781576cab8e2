"""A part of the plan: looks up what the target holds under the claimed keys, and reads objects by target id."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct, field, structs

from usersyncd.context import TargetRunContext
from usersyncd.core.claims import is_active
from usersyncd.core.links import has_key, is_stranger
from usersyncd.plugin import Change, Held, Kind, Lookup, Op, Target
from usersyncd.state.claimed_keys import FoundObject, KeyClaim
from usersyncd.state.plan_store import PlanStore

LOOKUPS = {"bulk": 10_000, "each": 500, "list": 1_000_000}
"""Lookups in one call of ``find``, by the target's capability."""


class Refusal(Struct, frozen=True):
    """A record that fails because of what the target holds. ``why``: the reason why its change, or one of its
    memberships, is not sent."""

    directory: str
    ref: int
    kind: Kind
    id: str
    why: str


class LookupResult(Struct):
    """The results of the lookups. ``absent``: records whose links end, each by directory and ref; ``refused``: records
    that fail."""

    absent: list[tuple[str, int]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def is_readable(target: Target) -> bool:
    """Whether the objects of a target can be found and read."""
    return target.capabilities.find is not None and target.capabilities.read


async def find_objects(
    target: Target, context: TargetRunContext, plan: PlanStore, named: Collection[str]
) -> LookupResult:
    """Note in the plan what the target holds under the claimed keys.

    If the object of a record no longer exists, its link ends and the plan creates it again. The same happens if the
    object belongs to somebody else now and a person ``named`` the record's id. Raises TargetError.
    """
    result = LookupResult()
    if not is_readable(target):
        return result
    for kind in Kind:
        if named:
            result.absent += await _start_over(target, context, kind, plan, named)
        if plan.suspects:
            await _check_suspects(target, context, kind, plan, result)
        missing: list[KeyClaim] = []
        claims = plan.claims.pages(kind, LOOKUPS[target.capabilities.find or "bulk"])
        while page := await asyncio.to_thread(next, claims, None):
            lookups = [Lookup(claim.directory, claim.id, claim.key) for claim in page if claim.key is not None]
            found = [pair async for pair in target.find(kind, lookups)]
            plan.claims.add_found(
                kind,
                ((lookup.directory, lookup.key, _found(kind, context, lookup, held)) for lookup, held in found),
            )
            target_ids = plan.objects(claim.ref for claim in page if not claim.new)
            existing = await read_objects(target, kind, target_ids.values())
            missing += [claim for claim in page if claim.ref in target_ids and target_ids[claim.ref] not in existing]
        for claim in missing:
            plan.renew(claim)
        result.absent += [(claim.directory, claim.ref) for claim in missing]
    return result


async def _start_over(
    target: Target, context: TargetRunContext, kind: Kind, plan: PlanStore, named: Collection[str]
) -> list[tuple[str, int]]:
    """Plan the named records whose objects belong to somebody else as if they had no object. Returns these records."""
    key = context.layouts[kind].key
    found: list[tuple[int, Change]] = []
    for page in plan.changed(kind, LOOKUPS["bulk"]):
        candidates = [(ref, change) for ref, change in page if change.id in named]
        objects = await read_objects(
            target, kind, (change.target_id for _, change in candidates if change.target_id is not None)
        )
        for ref, change in candidates:
            held = objects.get(change.target_id or "")
            if held is not None and is_stranger(held, change.before, change.after or {}, change.key, key):
                found.append((ref, change))
    leavers = plan.leavers(ref for ref, _ in found)
    if kind is Kind.USER:
        found = [(ref, change) for ref, change in found if ref in plan.suspects or ref not in leavers]
    for ref, change in found:
        plan.start_over(ref, _wanted_key(change, key, left=ref in leavers))
    plan.suspects.difference_update(ref for ref, _ in found)
    return [(change.directory, ref) for ref, change in found]


async def _check_suspects(
    target: Target, context: TargetRunContext, kind: Kind, plan: PlanStore, result: LookupResult
) -> None:
    """Check the objects of records that failed before and have nothing to change.

    If the object no longer exists, it is created again. If it belongs to somebody else, the record fails. If its key or
    its access differs, it is written again. Otherwise there is nothing to do.
    """
    key = context.layouts[kind].key
    changes = [(ref, change) for ref, change in plan.changes_of(plan.suspects) if change.kind is kind]
    objects = await read_objects(
        target, kind, (change.target_id for _, change in changes if change.target_id is not None)
    )
    leavers = plan.leavers(ref for ref, _ in changes)
    for ref, change in changes:
        held = objects.get(change.target_id or "")
        if held is None:
            plan.start_over(ref, _wanted_key(change, key, left=ref in leavers))
            result.absent.append((change.directory, ref))
        elif is_stranger(held, change.before, change.after or {}, change.key, key):
            plan.drop(ref)
            plan.strangers.add(ref)
            result.refused.append(Refusal(change.directory, ref, kind, change.id, _why_stranger(held, change, key)))
        elif is_active(held) is not bool((change.after or {}).get("active", True)):
            plan.restate(ref, structs.replace(change, op=Op.DEACTIVATE if is_active(held) else Op.REACTIVATE))
        elif has_key(held, change.key):
            plan.drop(ref)


def _wanted_key(change: Change, key: str, *, left: bool) -> str | int | None:
    """The key that the rules give a record; None for a leaver."""
    wanted = None if left or change.after is None else change.after[key]
    assert wanted is None or isinstance(wanted, str | int)  # noqa: S101 - the rules see to it
    return wanted


def _why_stranger(held: Held, change: Change, key: str) -> str:
    return (
        f"its object in the target ({held.target_id}) is not the one that was delivered: it has {key} {held.key!r}; "
        "the target was restored, or its ids were reused\n"
        "  → check whose it is; if it belongs to another record, "
        f"`usersyncd sync {change.directory} --adopt {change.id}` forgets it"
    )


def _found(kind: Kind, context: TargetRunContext, lookup: Lookup, held: Held) -> FoundObject:
    return FoundObject(
        held,
        exact=held.key == lookup.key,
        mine=held.record == (lookup.directory, lookup.id),
        protected=context.protected(kind, held.key, held.attributes),
    )


async def read_objects(target: Target, kind: Kind, target_ids: Iterable[str]) -> dict[str, Held]:
    """The existing objects with these target ids, by target id."""
    unique: Sequence[str] = list(dict.fromkeys(target_ids))
    if not unique:
        return {}
    return {held.target_id: held async for held in target.read(kind, unique)}
