"""The input and the results of a plan: for each directory of the target a *share*."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field, structs

from usersyncd.core.approvals import Decisions
from usersyncd.core.links import Shape
from usersyncd.core.report import Failed, Skipped
from usersyncd.deliver.objects import Refusal
from usersyncd.job import TargetRules
from usersyncd.options import ALL
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state.directories import DirectoryState
from usersyncd.state.drift import Drift
from usersyncd.state.plan_store import PlanStore
from usersyncd.state.progress_store import TargetProgress


class Share(Struct, frozen=True):
    """One directory in a delivery: its state, its rules for this target, and the ``drift`` that was found between its
    links and the target. ``is_chosen``: it is delivered; otherwise only its claims to keys count.
    ``is_clock_back``: its rules read the time, and its last delivery was later than now. So the clock was ahead then,
    and the shapes may be wrong."""

    directory: DirectoryState
    rules: TargetRules
    drift: Drift
    is_chosen: bool = True
    is_clock_back: bool = False

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.name


class Planning(Struct, frozen=True):
    """The input of a plan: the shares to deliver, the shares of which only the claims to keys count (``aside``), and
    the number of the target.

    ``is_readable``: objects of the target can be found and read. ``linked``: links without target ids were looked up.
    ``adopt``: ids of the records that a person allows to adopt objects. ``decisions``: those in force about harmful
    changes, by directory. ``patient``: records that the target refused wait; False if a person asked for the delivery.
    """

    shares: Sequence[Share]
    aside: Sequence[Share]
    target: int
    now: datetime
    is_readable: bool
    linked: bool
    adopt: frozenset[str]
    decisions: Mapping[str, Decisions]
    patient: bool = False

    def consents(self, id_: str) -> bool:
        """Whether a person agreed that this record adopts an object."""
        return ALL in self.adopt or id_ in self.adopt


class SharePlan(Struct):
    """The results of planning a share, besides its changes.

    ``done``: the target's progress before the delivery; ``reached``: after it. ``skipped``: the first records that the
    rules exclude. ``found``: what objects with another key hold, only to be shown: whether an object still belongs to
    its record is decided by what was delivered. ``is_delivered``: False if only the share's claims to keys count.
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
        """Whether all records are shaped: nothing was delivered by these rules yet, or the clock was ahead then."""
        return self.done is None or self.done.fingerprint != self.share.rules.fingerprint or self.share.is_clock_back


class TargetPlan(Struct):
    """A plan, and the results of planning each share, by the directory's name. ``again``: refs of records that failed,
    which the next plan tries again."""

    store: PlanStore
    shares: dict[str, SharePlan] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)

    @property
    def missing(self) -> set[int]:
        """The refs of all records whose objects do not exist."""
        return set().union(*(one.share.drift.missing for one in self.shares.values()))

    def changes(self, directory: str) -> Iterator[Change]:
        """The changes of a share as they are shown to a person: with what the objects hold now."""
        found = self.shares[directory].found
        for change in self.store.changes(directory):
            held = None if change.op is Op.CREATE else found.get((change.kind, change.id))
            yield change if held is None or change.members else structs.replace(change, before=held)

    def fail(self, refusal: Refusal, at: str | None = None) -> None:
        """Note a record that cannot be planned."""
        self.shares[refusal.directory].failed.append(Failed(refusal.kind, refusal.id, refusal.why, at))
        self.again.add(refusal.ref)

    def fail_all(self, refusals: Iterable[Refusal]) -> None:
        """Note records that fail because of what the target holds. A record that failed before for the same reason is
        not named again."""
        named = {(name, one.kind, one.id, one.error) for name, part in self.shares.items() for one in part.failed}
        for one in refusals:
            if (one.directory, one.kind, one.id, one.why) not in named:
                self.fail(one)
            self.again.add(one.ref)

    def miss(self, absent: Iterable[tuple[str, int]]) -> None:
        """Note records whose objects do not exist, by directory and ref."""
        for directory, ref in absent:
            self.shares[directory].share.drift.missing.add(ref)
