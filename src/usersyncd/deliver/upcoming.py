"""After a plan is made: predicts the changes that dates cause within the next days, if the directory stays the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from msgspec import structs

from usersyncd.core.diff import RecordIdentity, compare
from usersyncd.core.guard import Holdings
from usersyncd.core.links import Link, State
from usersyncd.core.report import Upcoming
from usersyncd.core.upcoming import DatedChange, first_change, summarize
from usersyncd.deliver.shape import Shaped, shape_at_any_time
from usersyncd.deliver.share import Planning, Share
from usersyncd.plugin import Kind
from usersyncd.state import links, moments
from usersyncd.state.bulk import batched
from usersyncd.state.candidates import PAGE, Selection
from usersyncd.state.database import Connection, Database
from usersyncd.state.holdings import holdings
from usersyncd.state.plan_store import PlanStore

AHEAD = timedelta(days=7)


def foresee(database: Database, planning: Planning, share: Share, plan: PlanStore) -> Upcoming | None:
    """The changes that dates cause in a share within the next days, after its plan is delivered; None: there are none.
    Raises StateError."""
    if share.rules.leaving:
        return None
    with database.read() as connection:
        refs = _due(connection, planning, share, plan)
        changes = list(_changes(connection, planning, share, refs)) if refs else []
        if not changes:
            return None
        return summarize(changes, share.rules.target.guard, _holdings(connection, planning, share, plan))


def _due(connection: Connection, planning: Planning, share: Share, plan: PlanStore) -> set[int]:
    """The records whose shapes may change within the next days, by the last delivery or this plan, and the leavers that
    are deleted then."""
    target, directory, last = planning.target, share.directory.id, planning.now + AHEAD
    found = set[int]()
    if share.rules.rules.reads.time:
        found = moments.until(connection, target, directory, last)
        border = moments.as_text(last)
        for ref, until in plan.shaped(share.name):
            (found.add if until is not None and until <= border else found.discard)(ref)
    if kept := share.rules.target.leavers.delete_after:
        found |= links.left_until(connection, target, directory, last - kept)
    return found


def _changes(connection: Connection, planning: Planning, share: Share, refs: set[int]) -> Iterator[DatedChange]:
    """The first change of each record that is due."""
    for page_of_refs in batched(sorted(refs), PAGE):
        selection = Selection(
            share.directory.id, planning.target, since=None, due=None, drift=share.drift, only=page_of_refs
        )
        for page in shape_at_any_time(connection, share.rules.rules, selection):
            for shape_at in page:
                if (change := _first_change(planning, share, shape_at)) is not None:
                    yield change


def _first_change(planning: Planning, share: Share, shape_at: Callable[[datetime], Shaped]) -> DatedChange | None:
    now = shape_at(planning.now)
    moment = _first_moment(planning.now, share.rules.target.leavers.delete_after, now, shape_at)
    if moment is None:
        return None
    then, candidate, leavers = shape_at(moment), now.candidate, share.rules.target.leavers
    identity = RecordIdentity(Kind.USER, share.name, candidate.id, share.rules.rules.layouts[Kind.USER].key)
    step = compare(identity, then.shape, _link(now, identity.key, planning.now), leavers, then.leaving, moment)
    return DatedChange(moment, candidate.ref, step.change) if step is not None and step.change is not None else None


def _first_moment(
    now: datetime, kept: timedelta | None, shaped: Shaped, shape_at: Callable[[datetime], Shaped]
) -> datetime | None:
    """When the shape changes, or a leaver is deleted; None: not within the next days."""
    last, found = now + AHEAD, list[datetime]()
    if shaped.error is None and shaped.until is not None and shaped.until <= last:

        def differs(moment: datetime) -> bool:
            then = shape_at(moment)
            return then.error is None and then.shape != shaped.shape

        if (changes := first_change(shaped.until, last, differs)) is not None:
            found.append(changes)
    if shaped.shape is None and kept and shaped.candidate.left_at is not None:
        found.append(datetime.fromisoformat(shaped.candidate.left_at) + kept)
    moment = min(found, default=None)
    return moment if moment is not None and now < moment <= last else None


def _link(now: Shaped, key: str, moment: datetime) -> Link | None:
    """The link of a record after the plan is delivered."""
    candidate = now.candidate
    if now.shape is not None:
        value = now.shape[key]
        return Link(now.shape, value, candidate.target_id)
    if candidate.shape is None or candidate.key is None:
        return None
    left_at = candidate.left_at or moment.isoformat()
    link = links.link_of(candidate.shape, candidate.key, candidate.target_id, State.LEAVER, left_at)
    return structs.replace(link, shape=link.shape | now.leaving)


def _holdings(connection: Connection, planning: Planning, share: Share, plan: PlanStore) -> Holdings:
    """What the target holds of a share after the plan is delivered, if all created users are active."""
    held, users = holdings(connection, share.directory.id, planning.target), plan.counts[share.name].users
    new = users.create + users.adopt
    return structs.replace(
        held,
        active=max(held.active + new + users.reactivate - users.deactivate, 0),
        users=max(held.users + new - users.delete, 0),
    )
