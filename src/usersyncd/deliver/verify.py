"""Before the plan, when requested or due: compares what the target holds with every link of a directory.

Differences are noted. The plan then compares the shapes with what the target really holds, and so corrects them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import cast

from msgspec import Struct

from usersyncd.blocking import to_its_end
from usersyncd.context import TargetRunContext
from usersyncd.core.drift import Difference, Same, inspect
from usersyncd.core.model import DriftPolicy
from usersyncd.core.report import Verified
from usersyncd.deliver.objects import LOOKUPS, is_readable, read_objects
from usersyncd.deliver.orphans import link_orphans
from usersyncd.deliver.share import Share
from usersyncd.deliver.work import Work
from usersyncd.plugin import Held, Inspectable, Kind, Target
from usersyncd.state import linked_records, links, progress_store, verifications
from usersyncd.state.database import Connection, Database
from usersyncd.state.directories import DirectoryState
from usersyncd.state.drift import Drift
from usersyncd.state.held_members import GroupMembers, HeldMembers, held_members
from usersyncd.state.linked_records import LinkedRecord

OBJECTS = 1_000
"""Objects that are compared together. With five times as many, memory grows by 40 MB and nothing is faster."""
GROUPS = 200
"""Groups whose members are compared together."""
REMEMBERED = 150_000
"""How many members are remembered at a time, so that memory stays flat."""
STRANGER = (
    "its object {0} is not the one that was delivered: it has the key {1!r}; the target was restored, or its ids were "
    "reused\n"
    "  → check whose it is; if it belongs to another record, `usersyncd sync {2} --verify --adopt {3}` forgets it"
)

Tick = Callable[[int], None]


async def verify(work: Work, target: Target, context: TargetRunContext, share: Share) -> Verified | None:
    """Compare the target with the links of a share, if that is requested or due. None: it was not compared."""
    if not is_readable(target):
        if work.options.verify:
            work.log.warning(
                f"target {work.name} is not verified: its objects cannot be read", event_name="delivery.not_verified"
            )
        return None
    directory, fewer = share.directory, False
    delivered = await work.ask(lambda connection: progress_store.load(connection, directory.id, work.number))
    if directory.complete and delivered is not None and not share.rules.leaving:
        fewer = await link_orphans(work.database, target, context, work.number, directory)
    last = await work.ask(lambda connection: verifications.latest(connection, directory.id, work.number))
    schedule = share.rules.target.verify
    due = last.wanted or (fewer and work.options.complete)
    due = due or (schedule is not None and schedule.is_due(last.at, work.now))
    if not (due or work.options.verify):
        return None
    work.progress.begin("verifying")
    if work.options.deliver:
        # Wanted until the plan is delivered: a share that is held or interrupted is verified again.
        await to_its_end(lambda: verifications.want(work.database, directory.id, work.number))
    adopt = work.options.adopt
    step = Verification(
        work.database, target, context, work.number, directory, share.rules.target.drift,
        share.rules.rules.leaver_attributes, share.drift, lambda id_: id_ in adopt,
    )  # fmt: skip
    return await step.run(work.progress.advance)


class ObjectCounts(Struct):
    """The numbers of compared and of missing objects so far."""

    objects: int = 0
    missing: int = 0


class Verification:
    """The comparison of one target with the links of one directory.

    ``access``: the attributes that a deactivation writes. ``consents``: whether a person allows that the link of a
    record ends because its object belongs to somebody else now.
    """

    def __init__(
        self,
        database: Database,
        target: Target,
        context: TargetRunContext,
        number: int,
        directory: DirectoryState,
        rules: DriftPolicy,
        access: Collection[str],
        drift: Drift,
        consents: Callable[[str], bool],
    ) -> None:
        self._database = database
        self._target = target
        self._context = context
        self._number = number
        self._directory = directory
        self._rules = rules
        self._access = access
        self._drift = drift
        self._consents = consents
        self._counts = ObjectCounts()
        self._untouched: set[int] = set()
        """Refs whose memberships are not compared, because their objects are protected or belong to somebody else."""
        self._known: dict[Kind, dict[str, int | None]] = {kind: {} for kind in Kind}
        """The target ids of members that were looked up -> refs; None: no record of this directory has the object."""

    async def run(self, tick: Tick) -> Verified:
        """Compare everything. Raises TargetError."""
        size = min(OBJECTS, LOOKUPS[self._target.capabilities.find or "bulk"])
        for kind in Kind:
            async for page in self._pages(kind, size):
                held = await read_objects(self._target, kind, (one.link.target_id or "" for one in page))
                await to_its_end(lambda: self._compare(kind, page, held))  # noqa: B023 - it ends before the next page
                tick(len(page))
        if self._target.capabilities.members:
            async for page in self._pages(Kind.GROUP, GROUPS):
                await self._members(page)
                tick(len(page))
        changed = self._drift.changed + len(self._drift.renamed)
        return Verified(self._counts.objects, self._counts.missing, changed, self._drift.regrouped)

    async def _pages(self, kind: Kind, size: int) -> AsyncIterator[list[LinkedRecord]]:
        after = -1
        while page := await to_its_end(
            lambda: linked_records.page(self._database, self._number, self._directory.id, kind, after, size)  # noqa: B023
        ):
            yield page
            after = page[-1].ref

    # ---- objects

    def _compare(self, kind: Kind, page: Sequence[LinkedRecord], held: Mapping[str, Held]) -> None:
        layout, same = self._context.layouts[kind], self._same(kind)
        changed: list[links.Row] = []
        for one in page:
            is_present = one.link.left_at is None
            self._counts.objects += is_present
            found = held.get(one.link.target_id or "")
            if found is None:
                self._drift.missing.add(one.ref)
                self._counts.missing += is_present
                continue
            if self._context.protected(kind, found.key, found.attributes):
                self._untouched.add(one.ref)
                continue
            finding = inspect(found, one.link, (self._directory.name, one.id), layout, self._rules, same, self._access)
            match finding.difference:
                case Difference.CHANGED:
                    changed.append(links.row(one.ref, kind, finding.link))
                case Difference.RENAMED:
                    self._drift.rename(one.ref, finding.link.shape)
                case Difference.STRANGER:
                    self._note_stranger(one, found)
        self._drift.change(changed)

    def _note_stranger(self, one: LinkedRecord, held: Held) -> None:
        """Note that the object of this record belongs to somebody else now."""
        if self._consents(one.id):
            self._drift.missing.add(one.ref)
            return
        self._untouched.add(one.ref)
        self._counts.missing += one.link.left_at is None
        self._drift.strangers[one.ref] = STRANGER.format(held.target_id, held.key, self._directory.name, one.id)

    def _same(self, kind: Kind) -> Same:
        if not self._target.capabilities.forms:
            return lambda _name, written, held: written == held
        is_same = cast("Inspectable", self._target).is_same
        return lambda name, written, held: written == held or is_same(kind, name, written, held)

    # ---- memberships

    async def _members(self, page: Sequence[LinkedRecord]) -> None:
        drift = self._drift
        groups = {
            one.link.target_id or "": one.ref
            for one in page
            if one.ref not in drift.missing and one.ref not in self._untouched
        }
        held: dict[int, set[tuple[Kind, str]]] = {ref: set() for ref in groups.values()}
        async for edges in cast("Inspectable", self._target).members(list(groups)):
            for group, kind, member in edges:
                held[groups[group]].add((kind, member))
        await to_its_end(lambda: self._compare_members(held))

    def _compare_members(self, held: Mapping[int, Collection[tuple[Kind, str]]]) -> None:
        """Compare the members that the target holds, by the ref of their group, with those that the links say."""
        with self._database.read() as connection:
            for kind in Kind:
                target_ids = {member for members in held.values() for of, member in members if of is kind}
                self._learn(connection, kind, target_ids)
            linked = held_members(connection, self._number, held)
        differing: dict[int, GroupMembers] = {}
        for group, members in held.items():
            expected = linked.get(group, HeldMembers()).as_sets()
            found = {
                ref for kind, member in members if (ref := self._known[kind][member]) is not None
            } - self._untouched
            found |= expected.members & self._untouched
            if found != expected.members or expected.unanswered:
                differing[group] = GroupMembers(found, set())
        self._drift.regroup(differing)

    def _learn(self, connection: Connection, kind: Kind, members: set[str]) -> None:
        """Look up the records of these members. Objects of other directories, or of no record, are ignored."""
        known = self._known[kind]
        if len(known) > REMEMBERED:
            known.clear()
        unknown = members - known.keys()
        known.update(dict.fromkeys(unknown))
        known.update(linked_records.refs_of(connection, self._number, self._directory.id, kind, unknown))
