"""A part of the plan: leavers whose accounts are gone, while another account has their key.

Somebody may have made the account again. It is deactivated only with a person's consent: without it the leaver fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from msgspec import structs

from usersyncd.core.claims import is_active
from usersyncd.core.links import answers, is_stranger, shape_of, written
from usersyncd.deliver.look import PAGES, Refusal, Seen, read
from usersyncd.plugin import Change, Held, Kind, Lookup, Target
from usersyncd.state import links
from usersyncd.state.bulk import batched
from usersyncd.state.database import Connection
from usersyncd.state.plan_store import PlanStore


async def look_for_replacements(target: Target, key: str, plan: PlanStore, named: Collection[str], seen: Seen) -> None:
    """Note in the plan the accounts under the keys of leavers whose own ones are gone, or are others' and a person
    ``named`` the leaver. Without such an account, the other's is forgotten. Raises TargetError."""
    for leaving in batched(plan.leaving(), PAGES[target.capabilities.find or "bulk"]):
        own = await read(target, Kind.USER, (change.target_id for _, change in leaving if change.target_id is not None))
        gone = {_record(change): (ref, change) for ref, change in leaving if change.target_id not in own}
        others = {
            _record(change): (ref, change)
            for ref, change in leaving
            if change.id in named and (held := own.get(change.target_id or "")) is not None
            if is_stranger(held, change.before, change.after or {}, change.key, key)
        }
        asked = [Lookup(change.directory, change.id, change.key) for _, change in (gone | others).values()]
        found = [pair async for pair in target.find(Kind.USER, asked)] if asked else []
        for lookup, held in found:
            if answers(held, lookup) and is_active(held):
                ref, _ = (gone | others)[lookup.directory, lookup.id]
                plan.replacements.setdefault(ref, []).append(held)
        for ref, change in others.values():
            if ref not in plan.replacements:
                plan.start_over(ref, None)
                seen.absent.append((change.directory, ref))


def _record(change: Change) -> tuple[str, str]:
    return change.directory, change.id


def decide_replacements(
    connection: Connection, target: int, plan: PlanStore, key: str, consents: Callable[[str], bool]
) -> Iterator[Refusal]:
    """Take the account that was made again if a person consents; otherwise the leaver fails. An account that is linked
    to another record, or that a record of this plan claims, is not the leaver's."""
    leavers = plan.changes_of(plan.replacements)
    target_ids = [held.target_id for some in plan.replacements.values() for held in some]
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
    """The change, of this object instead of the leaver's own one."""
    before = shape_of(held, change.before or {})
    after = None if change.after is None else before | written(change)
    return structs.replace(change, before=before, after=after, target_id=held.target_id)


def _why(change: Change, key: str) -> str:
    done = "deletes" if change.after is None else "deactivates"
    return (
        f"its object is not in the target any more, and another one has its {key} {change.key!r}\n"
        f"  → check whose it is: `usersyncd sync {change.directory} --adopt {change.id}` {done} it; if it is another "
        "person's, give it another key"
    )
