"""Takes rejected changes out of a complete plan, so that the rest of it is delivered."""

from __future__ import annotations

from collections.abc import Mapping, Set

from usersyncd.core.approvals import Decision, harmful, identity, member_identity
from usersyncd.core.report import MAX_SKIPPED, Skipped
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state.plan_store import PlannedChange, PlanStore

_LEAVING = (Op.DEACTIVATE, Op.DELETE)


class Withdrawal:
    """The rejected changes of one directory in a plan.

    A record stays as it is if one of its changes is rejected. If its departure is rejected, it stays in its groups; if
    the removal of a member is rejected, the group is not deleted. A user who is deleted leaves all groups, whatever was
    rejected: the guard counts that. ``emptied``: refs of the groups that lose their last
    member.

    ``refs``: of the records and groups that stay as they are; ``found``: the identities of the rejected changes;
    ``skipped``: the first of them, for the report.
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
        """Take the changes out of the plan."""
        if not self._rejected:
            return
        records = {
            step.ref: step for step in self._plan.steps(self._directory) if not step.members and self._decision(step)
        }
        self._deleted = {
            step.ref for step in self._plan.steps(self._directory) if _is_departure(step) and step.ref not in records
        }
        cut = [
            (step, places)
            for step in self._plan.steps(self._directory)
            if step.change is not None and step.change.op is Op.REMOVE
            if len(places := self._kept(step, records)) < len(step.members)
        ]
        for step, places in cut:
            self._plan.keep_members(step, places)
        for step in records.values():
            self._plan.withdraw(step.ref)
        groups = {step.ref for step, _ in cut}
        for ref, change in self._plan.changes_of(groups):
            if change.op is Op.DELETE:
                self._plan.withdraw(ref)
        self.refs = groups.union(records)

    def _decision(self, step: PlannedChange) -> Decision | None:
        """The decision by which a change of a record is rejected; None if it is not."""
        if (change := step.change) is None:
            return None
        identities = {identity(change), *(one for _, one in harmful(change))}
        return self._note(identities, change.kind, change.id, change.op)

    def _kept(self, step: PlannedChange, records: Mapping[int, PlannedChange]) -> list[int]:
        """The places of the members that are removed after all."""
        change = step.change
        assert change is not None  # noqa: S101 - the caller has it
        whole = {one for _, one in harmful(change, emptied=step.ref in self._emptied)}
        stays = step.ref in records or bool(self._note(whole, change.kind, change.id, "removal of the last member"))
        kept = [
            ref not in self._deleted and (self._stays(step, change, place, records) or stays)
            for place, ref in enumerate(step.members)
        ]
        return [place for place, stays_in in enumerate(kept) if not stays_in]

    def _stays(self, step: PlannedChange, change: Change, place: int, records: Mapping[int, PlannedChange]) -> bool:
        member = change.members[place]
        what = f"removal from group {change.id}"
        if self._note({member_identity(change, member)}, member.kind, member.id, what):
            return True
        left = records.get(step.members[place])
        return left is not None and left.change is not None and left.change.op in _LEAVING

    def _note(self, identities: Set[str], kind: Kind, id_: str, what: str) -> Decision | None:
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
