"""A part of the plan: removes the changes to protected objects and their memberships, and reports them as failed.

The target checks again when it writes, because an object may become protected in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from usersyncd.context import TargetRunContext
from usersyncd.deliver.objects import LOOKUPS, Refusal, is_readable, read_objects
from usersyncd.plugin import PROTECTED, Kind, Op, Target, holds_protected
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.planned import PlannedChange

STEPS = 200
"""How many membership changes are checked together."""


async def shield_records(target: Target, context: TargetRunContext, plan: PlanStore) -> list[Refusal]:
    """Drop the changes of records whose objects are protected. Raises TargetError."""
    found: list[Refusal] = []
    for kind in _protected_kinds(target, context):
        for page in plan.changed(kind, LOOKUPS["bulk"]):
            protected = await _protected(target, context, kind, (change.target_id for _, change in page))
            found += [
                Refusal(one.directory, ref, kind, one.id, PROTECTED) for ref, one in page if one.target_id in protected
            ]
    kept = await _groups_with_protected_members(target, context, plan, {one.ref for one in found})
    for one in found:
        plan.drop(one.ref)
    for one in kept:
        plan.spare(one.ref)
    return found + kept


async def _groups_with_protected_members(
    target: Target, context: TargetRunContext, plan: PlanStore, found: Collection[int]
) -> list[Refusal]:
    """The groups that are not deleted because they have a protected member."""
    if not is_readable(target) or not context.protects(Kind.USER):
        return []
    key = context.layouts[Kind.USER].key
    deleted = {
        one.target_id: (ref, one)
        for page in plan.changed(Kind.GROUP, LOOKUPS["bulk"])
        for ref, one in page
        if one.op is Op.DELETE and ref not in found
    }
    held = await read_objects(target, Kind.GROUP, (target_id for target_id in deleted if target_id is not None))
    members = {target_id: one.protected_member for target_id, one in held.items()}
    return [
        Refusal(one.directory, ref, Kind.GROUP, one.id, holds_protected(key, member))
        for target_id, (ref, one) in deleted.items()
        if (member := members.get(target_id or "")) is not None
    ]


async def shield_members(target: Target, context: TargetRunContext, plan: PlanStore) -> list[Refusal]:
    """Drop the membership changes of protected groups, and protected members of others. Raises TargetError."""
    kinds = _protected_kinds(target, context)
    found: dict[tuple[int, str], Refusal] = {}
    shortened: list[tuple[PlannedChange, list[int]]] = []
    """Membership changes with protected objects, each with the places of the members that stay in it."""
    for steps in plan.member_steps(STEPS) if kinds else ():
        protected = {kind: await _protected(target, context, kind, _objects(steps, kind)) for kind in kinds}
        for step in steps:
            change = step.change
            assert change is not None  # noqa: S101 - a membership change has one
            if change.target_id in protected.get(Kind.GROUP, ()):
                found[step.ref, ""] = Refusal(change.directory, step.ref, Kind.GROUP, change.id, PROTECTED)
                shortened.append((step, []))
                continue
            members = [one for one in change.members if one.target_id in protected.get(one.kind, ())]
            why = f"as a member of group {change.id}: {PROTECTED}"
            refused = (Refusal(change.directory, step.ref, one.kind, one.id, why) for one in members)
            found.update({(step.ref, one.id): one for one in refused})
            if members:
                shortened.append((step, [n for n, one in enumerate(change.members) if one not in members]))
    for step, places in shortened:
        plan.keep_members(step, places)
    return list(found.values())


def _protected_kinds(target: Target, context: TargetRunContext) -> list[Kind]:
    return [kind for kind in Kind if is_readable(target) and context.protects(kind)]


def _objects(steps: Iterable[PlannedChange], kind: Kind) -> Iterable[str | None]:
    """The target ids of the groups or members of this kind in these membership changes."""
    for change in (step.change for step in steps):
        if change is not None and change.kind is kind:
            yield change.target_id
        if change is not None:
            yield from (member.target_id for member in change.members if member.kind is kind)


async def _protected(
    target: Target, context: TargetRunContext, kind: Kind, target_ids: Iterable[str | None]
) -> set[str]:
    """The protected ones of these objects."""
    held = await read_objects(target, kind, (target_id for target_id in target_ids if target_id is not None))
    return {target_id for target_id, one in held.items() if context.protected(kind, one.key, one.attributes)}
