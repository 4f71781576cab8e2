"""Step five, guard: decides whether a plan is delivered, or held until a person has looked at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.core.digest import encode
from usersyncd.core.drift import missing
from usersyncd.core.guard import Sort, Tally, Window, about, limited, lines, violations
from usersyncd.core.plan import PREFIX, Hash, Section
from usersyncd.core.report import Verified, Violation
from usersyncd.deliver.share import Draft, Planning, Share
from usersyncd.plugin import Op
from usersyncd.state.database import Database
from usersyncd.state.harms import read_window
from usersyncd.state.holdings import holdings, sizes
from usersyncd.state.planned import Plan


class Judgement(Struct, frozen=True):
    """What the guard says of a plan: the limits that it passes, the hash of its harmful changes (None: nobody has to
    consent to them), and whether a person did."""

    violations: list[Violation]
    harm: str | None = None
    consented: bool = False

    @property
    def held(self) -> bool:
        """Whether the plan is not to be delivered."""
        return bool(self.violations) and not self.consented


CONSENTED = Judgement([], consented=True)
"""A person consented to all of it."""


def guard(database: Database, planning: Planning, share: Share, draft: Draft, verified: Verified | None) -> Judgement:
    """Judge a share of a plan by the limits of its target, and by what is missing there if it was ``verified``. Raises
    StateError."""
    target, directory, limits = share.rules.target, share.directory, share.rules.target.guard
    plan, lost = draft.plan, [] if verified is None else missing(verified, limits)
    window = read_window(database, planning.target, directory.id, limits, planning.now, expire=planning.linked)
    with database.read() as connection:
        emptied = _emptied(connection, planning.target, plan, share.name) if limits.emptied is not None else set()
        tally = _tally(plan, share.name, Tally(limits, window), window, emptied)
        exceeded: list[Violation] = []
        if harms := tally.in_question():  # Otherwise no count of the target's objects is needed.
            attributes = [(harm.kind, harm.attribute) for harm in harms if harm.kind and harm.sort is Sort.BLANKED]
            exceeded = violations(limits, tally, holdings(connection, directory.id, planning.target, attributes))
    exceeded += lost
    if not exceeded and not planning.exceed:
        return Judgement([])
    harm = _hash(target.name, plan, share.name, limited(limits), emptied, share.drift.missing if lost else ())
    consented = any(harm.startswith(f"{PREFIX}{digits}") for digits in planning.exceed)
    return Judgement(exceeded, harm if exceeded or consented else None, consented)


def _tally(plan: Plan, directory: str, tally: Tally, window: Window, emptied: Set[int]) -> Tally:
    for step in plan.harmful(directory):
        assert step.change is not None  # noqa: S101 - what harms is a change
        tally.add(step.ref, step.change, counted=step.counted)
        if step.takes is not None:
            tally.add(step.takes, step.change, counted=False)
    for ref, change in plan.changes_of(window.harms):
        if change.op is Op.CREATE:
            tally.add(ref, change)
    for group, members in plan.edges(directory, Section.REMOVALS):
        tally.remove(group, set(members))
    for group, members in plan.edges(directory, Section.ADDITIONS) if window.removed or window.harms else ():
        tally.restore(group, set(members))
    for group in emptied:
        tally.empty(group)
    return tally


def _emptied(connection: Connection, target: int, plan: Plan, directory: str) -> set[int]:
    """The groups of a directory that lose their last member, and are not deleted."""
    lost = Counter[int]()
    for group, members in plan.edges(directory, Section.REMOVALS):
        lost[group] += len(members)
    if not lost:
        return set()
    gained = {group for group, _ in plan.edges(directory, Section.ADDITIONS)}
    held = sizes(connection, target, lost.keys() - gained)
    return {group for group, size in held.items() if 0 < size <= lost[group]} - plan.deletes(held)


def _hash(
    target: str, plan: Plan, directory: str, sorts: Set[Sort], emptied: Set[int], missing_refs: Iterable[int]
) -> str:
    """The hash of exactly the harmful changes of a directory in a plan for the target of this name, and of the records
    whose objects are missing."""
    made = Hash()
    made.add(encode(target))
    for ref in sorted(missing_refs):
        made.add(encode(("missing", ref)))
    for step in plan.harmful_by_ref(directory):
        assert step.change is not None  # noqa: S101 - what harms is a change
        harm = list(lines(step.change, sorts)) if step.counted else []
        if step.change.op is Op.REMOVE and step.ref in emptied:
            harm.append((*about(step.change), Sort.EMPTIED))
        for line in harm:
            made.add(encode(line))
    return str(made)
