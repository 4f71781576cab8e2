"""Removes rejected changes from a complete plan, so that the rest of it is delivered."""

from __future__ import annotations

from collections.abc import Mapping, Set

from usersyncd.core.approvals import Decision, harmful, identity, member_identity
from usersyncd.core.report import MAX_SKIPPED, Skipped
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.planned import PlannedChange

_LEAVING = (Op.DEACTIVATE, Op.DELETE)


class Withdrawal:
    """The rejected changes of one directory in a plan.

    If a change of a record is rejected, the record stays as it is. If its deactivation or deletion is rejected, it
    stays in its groups. If the removal of a member is rejected, the group is not deleted. But a user whose deletion is
    not rejected leaves all groups, even where the removal is rejected. ``emptied``: refs of the groups that lose their
    last member.

    Results of ``run``: ``refs`` of the records and groups that stay as they are, the identities of the rejected changes
    (``found``) and their number (``count``), and the first of them for the report (``skipped``).
    """

    def __init__(self, plan: PlanStore, directory: str, rejected: Mapping[str, Decision], emptied: Set[int]) -> None:
        self._plan = plan
        self._directory = directory
        self._rejected = rejected
        self._emptied = emptied
        self._deleted: set[int] = set()
        """Refs of users that the rest of the plan deletes."""
        self.refs: set[int] = set()
        self.found: set[str] = set()
        self.skipped: list[Skipped] = []
        self.count = 0

    def run(self) -> None:
        """Remove the rejected changes from the plan."""
        if not self._rejected:
            return
        records = {
            step.ref: step for step in self._plan.steps(self._directory) if not step.members and self._decision(step)
        }
        self._deleted = {
            step.ref for step in self._plan.steps(self._directory) if _is_departure(step) and step.ref not in records
        }
        shortened = [
            (step, places)
            for step in self._plan.steps(self._directory)
            if step.change is not None and step.change.op is Op.REMOVE
            if len(places := self._still_removed(step, records)) < len(step.members)
        ]
        for step, places in shortened:
            self._plan.keep_members(step, places)
        for step in records.values():
            self._plan.withdraw(step.ref)
        groups = {step.ref for step, _ in shortened}
        for ref, change in self._plan.changes_of(groups):
            if change.op is Op.DELETE:
                self._plan.withdraw(ref)
        self.refs = groups.union(records)

    def _decision(self, step: PlannedChange) -> Decision | None:
        """The decision that rejects a change of a record; None if it is not rejected."""
        if (change := step.change) is None:
            return None
        identities = {identity(change), *(one for _, one in harmful(change))}
        return self._note(identities, change.kind, change.id, change.op)

    def _still_removed(self, step: PlannedChange, records: Mapping[int, PlannedChange]) -> list[int]:
        """The positions of the members that are removed although other removals are rejected."""
        change = step.change
        assert change is not None  # noqa: S101 - the caller has it
        emptying = {one for _, one in harmful(change, emptied=step.ref in self._emptied)}
        all_stay = step.ref in records or bool(
            self._note(emptying, change.kind, change.id, "removal of the last member")
        )
        stays = [
            ref not in self._deleted and (self._stays(step, change, place, records) or all_stay)
            for place, ref in enumerate(step.members)
        ]
        return [place for place, member_stays in enumerate(stays) if not member_stays]

    def _stays(self, step: PlannedChange, change: Change, place: int, records: Mapping[int, PlannedChange]) -> bool:
        """Whether one member stays: its removal is rejected, or its own deactivation or deletion."""
        member = change.members[place]
        what = f"removal from group {change.id}"
        if self._note({member_identity(change, member)}, member.kind, member.id, what):
            return True
        rejected = records.get(step.members[place])
        return rejected is not None and rejected.change is not None and rejected.change.op in _LEAVING

    def _note(self, identities: Set[str], kind: Kind, id_: str, what: str) -> Decision | None:
        """The decision that rejects one of these changes, which is counted and reported; None if none is rejected."""
        hits = identities & self._rejected.keys()
        if not hits:
            return None
        self.found |= hits
        self.count += len(hits)
        decision = self._rejected[min(hits)]
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(Skipped(kind, id_, f"rejected by {decision.by} on {decision.at:%Y-%m-%d}: {what}"))
        return decision


def _is_departure(step: PlannedChange) -> bool:
    """Whether a step deletes a user."""
    return step.change is not None and step.change.op is Op.DELETE and step.change.kind is Kind.USER
