"""A part of the plan: leavers whose accounts no longer exist, while another account has their key.

Somebody may have created the account again: a *replacement*. It is deactivated only with a person's consent. Without
consent, the leaver fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from msgspec import structs

from usersyncd.core.claims import is_active
from usersyncd.core.links import answers, is_stranger, shape_of, written
from usersyncd.deliver.objects import LOOKUPS, LookupResult, Refusal, read_objects
from usersyncd.plugin import Change, Held, Kind, Lookup, Target
from usersyncd.state import links
from usersyncd.state.bulk import batched
from usersyncd.state.database import Connection
from usersyncd.state.plan_store import PlanStore


async def look_for_replacements(
    target: Target, key: str, plan: PlanStore, named: Collection[str], result: LookupResult
) -> None:
    """Note in the plan the replacements of leavers' accounts.

    A leaver's account counts as replaced if it no longer exists. It also counts as replaced if it belongs to somebody
    else now and a person ``named`` the leaver; if there is no replacement then, the link ends. Raises TargetError.
    """
    for leaving in batched(plan.leaving(), LOOKUPS[target.capabilities.find or "bulk"]):
        own = await read_objects(
            target, Kind.USER, (change.target_id for _, change in leaving if change.target_id is not None)
        )
        missing = {_record(change): (ref, change) for ref, change in leaving if change.target_id not in own}
        strangers = {
            _record(change): (ref, change)
            for ref, change in leaving
            if change.id in named and (held := own.get(change.target_id or "")) is not None
            if is_stranger(held, change.before, change.after or {}, change.key, key)
        }
        replaced = missing | strangers
        lookups = [Lookup(change.directory, change.id, change.key) for _, change in replaced.values()]
        found = [pair async for pair in target.find(Kind.USER, lookups)] if lookups else []
        for lookup, held in found:
            if answers(held, lookup) and is_active(held):
                ref, _ = replaced[lookup.directory, lookup.id]
                plan.replacements.setdefault(ref, []).append(held)
        for ref, change in strangers.values():
            if ref not in plan.replacements:
                plan.start_over(ref, None)
                result.absent.append((change.directory, ref))


def _record(change: Change) -> tuple[str, str]:
    return change.directory, change.id


def decide_replacements(
    connection: Connection, target: int, plan: PlanStore, key: str, consents: Callable[[str], bool]
) -> Iterator[Refusal]:
    """Redirect each leaver's change to the replacement if a person consents; otherwise the leaver fails. An account
    that is linked to another record, or whose key a record of this plan claims, is not a replacement."""
    leavers = plan.changes_of(plan.replacements)
    target_ids = [held.target_id for replacements in plan.replacements.values() for held in replacements]
    linked = links.linked(connection, target, Kind.USER, target_ids)
    keys = {change.key for _, change in leavers}
    claimed = {(plan.claims.space(claim.directory), claim.key) for claim in plan.claims.of_keys(Kind.USER, keys)}
    for ref, change in leavers:
        free = [held for held in plan.replacements[ref] if held.target_id not in linked]
        if not free or (plan.claims.space(change.directory), change.key) in claimed:
            continue
        if len(free) == 1 and consents(change.id):
            plan.restate(ref, _redirected(change, free[0]))
        else:
            plan.drop(ref)
            yield Refusal(change.directory, ref, Kind.USER, change.id, _why(change, key))


def _redirected(change: Change, held: Held) -> Change:
    """The same change, made to this object instead of the leaver's own."""
    before = shape_of(held, change.before or {})
    after = None if change.after is None else before | written(change)
    return structs.replace(change, before=before, after=after, target_id=held.target_id)


def _why(change: Change, key: str) -> str:
    done = "deletes" if change.after is None else "deactivates"
    return (
        f"its object is no longer in the target, and another object has its {key} {change.key!r}\n"
        f"  → check whose it is: `usersyncd sync {change.directory} --adopt {change.id}` {done} it; if it belongs to "
        "somebody else, give it another key"
    )
