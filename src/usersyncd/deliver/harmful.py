"""The harmful changes of a plan: which ones a person approved, and which ones wait for a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from msgspec import structs

from usersyncd.core.approvals import (
    NOTHING_APPROVED,
    Approved,
    Decision,
    approved_part,
    decided,
    harmful,
    removals,
)
from usersyncd.core.guard import Sort
from usersyncd.plugin import Change
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.planned import PlannedChange


class Harmful:
    """The harmful changes of one directory in a plan.

    ``sorts``: the sorts of harm that have a limit. ``emptied``: refs of the groups that lose their last member.
    ``missing``: the identities of records whose objects are missing. ``first``: the identity of a first delivery that
    nobody approved yet, so that every change waits.
    """

    def __init__(
        self,
        plan: PlanStore,
        directory: str,
        sorts: Set[Sort],
        emptied: Set[int],
        missing: Set[str],
        approved: Mapping[str, Decision],
        *,
        first: str | None,
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._sorts = sorts
        self._emptied = emptied
        self._missing = missing
        self._approved = approved
        self._first = first

    @property
    def has_approvals(self) -> bool:
        """Whether anything is approved."""
        return bool(self._approved)

    def approved_of(self, step: PlannedChange) -> Approved:
        """The part of a step that is approved."""
        if not self._approved or step.change is None:
            return NOTHING_APPROVED
        return approved_part(step.change, step.members, self._approved, emptied=step.ref in self._emptied)

    def identities(self) -> list[str]:
        """The identities of the changes that wait for a decision."""
        found = set(self._missing - self._approved.keys())
        if self._first:
            found.add(self._first)
        for _, identities in self._undecided():
            found.update(identities)
        return sorted(found)

    def changes(self) -> Iterator[Change]:
        """The changes that wait for a decision, without members whose removal is approved; in a first delivery, all
        changes."""
        if self._first:
            yield from self._plan.changes(self._directory)
            return
        yield from (change for change, _ in self._undecided())
        if waiting := self._missing - self._approved.keys():
            for step in self._plan.steps(self._directory):
                if step.change is not None and not waiting.isdisjoint(decided(step.change, emptied=False)):
                    yield step.change

    def _undecided(self) -> Iterator[tuple[Change, list[str]]]:
        for step in self._plan.harmful_by_ref(self._directory):
            change = step.change
            assert change is not None  # noqa: S101 - what harms is a change
            if not step.counted:
                continue
            found = [one for _, one in harmful(change, self._sorts, emptied=step.ref in self._emptied)]
            identities = [one for one in found if one not in self._approved]
            if named := removals(change, self._sorts):
                pairs = zip(change.members, named, strict=True)
                rest = [(member, one) for member, one in pairs if one not in self._approved]
                identities += [one for _, one in rest]
                change = structs.replace(change, members=tuple(member for member, _ in rest) or change.members)
            if identities:
                yield change, identities
