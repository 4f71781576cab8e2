"""What a plan is made from, and what is known beside its changes: for each directory of the target a *share*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field, structs

from usersyncd.core.approvals import Decisions
from usersyncd.core.links import Shape
from usersyncd.core.report import Failed, Skipped
from usersyncd.deliver.look import Refusal
from usersyncd.job import TargetRules
from usersyncd.options import ALL
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state.directories import DirectoryState
from usersyncd.state.drift import Drift
from usersyncd.state.links import TargetProgress
from usersyncd.state.plan_store import PlanStore


class Share(Struct, frozen=True):
    """One directory of a delivery: its state, the rules by which the target gets it, and what the target was found to
    hold otherwise than the links say. ``is_chosen``: something of it is to be delivered."""

    directory: DirectoryState
    rules: TargetRules
    drift: Drift
    is_chosen: bool = True

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.name


class Planning(Struct, frozen=True):
    """The input of a plan: the shares that are to be delivered, those that are only looked at for the keys that they
    claim (``aside``), and the number of the target.

    ``sees``: the target can be read. ``linked``: links without target ids were looked up. ``adopt``: ids of the records
    for which a person consents to an adoption; ``decisions``: those in force about harmful changes, by directory.
    """

    shares: Sequence[Share]
    aside: Sequence[Share]
    target: int
    now: datetime
    sees: bool
    linked: bool
    adopt: frozenset[str]
    decisions: Mapping[str, Decisions]

    def consents(self, id_: str) -> bool:
        """Whether a person agreed that this record adopts an object."""
        return ALL in self.adopt or id_ in self.adopt


class SharePlan(Struct):
    """What is known of a share beside its changes.

    ``done``: the progress of the target before; ``reached``: after the delivery. ``skipped``: the first records that
    the rules leave out. ``found``: what objects with another key hold. It is only shown: a target decides by what was
    delivered whether an object still belongs to the record. ``is_delivered``: False for a share that is only looked at
    for the keys that it claims.
    """

    share: Share
    done: TargetProgress | None
    reached: TargetProgress
    failed: list[Failed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    found: dict[tuple[Kind, str], Shape] = field(default_factory=dict)
    is_delivered: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether all records are shaped: nothing was delivered by these rules yet."""
        return self.done is None or self.done.fingerprint != self.share.rules.fingerprint


class TargetPlan(Struct):
    """A plan, and what is known beside it for each share, by the directory's name. ``again``: refs of records that
    failed, which the next plan tries again."""

    store: PlanStore
    shares: dict[str, SharePlan] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)

    @property
    def missing(self) -> set[int]:
        """The refs of all records whose objects do not exist."""
        return set().union(*(one.share.drift.missing for one in self.shares.values()))

    def changes(self, directory: str) -> Iterator[Change]:
        """The changes of a share as a person is shown them: with what the objects hold now."""
        found = self.shares[directory].found
        for change in self.store.changes(directory):
            held = None if change.op is Op.CREATE else found.get((change.kind, change.id))
            yield change if held is None or change.members else structs.replace(change, before=held)

    def fail(self, refusal: Refusal, at: str | None = None) -> None:
        """Note a record that cannot be planned."""
        self.shares[refusal.directory].failed.append(Failed(refusal.kind, refusal.id, refusal.why, at))
        self.again.add(refusal.ref)

    def fail_all(self, refusals: Iterable[Refusal]) -> None:
        """Records that fail for what the target holds. One that failed already for the same reason is not named
        again."""
        named = {(name, one.kind, one.id, one.error) for name, part in self.shares.items() for one in part.failed}
        for one in refusals:
            if (one.directory, one.kind, one.id, one.why) not in named:
                self.fail(one)
            self.again.add(one.ref)

    def miss(self, absent: Iterable[tuple[str, int]]) -> None:
        """Note records whose objects do not exist, by directory and ref."""
        for directory, ref in absent:
            self.shares[directory].share.drift.missing.add(ref)
