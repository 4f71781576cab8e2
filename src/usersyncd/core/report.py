"""What a run says of itself: the shapes behind ``--json``, ``history`` and the summary line.

The field names are promised to scripts (docs/json.md): adding one is free, renaming one breaks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field, structs

from usersyncd.core.packed_changes import PackedChanges
from usersyncd.plugin import Kind

Status = Literal["planned", "succeeded", "partial", "held", "failed"]
Cause = Literal["interval", "manual", "pull", "date", "approval", "retry", "reload"]
"""Why a run began."""

MAX_FAILURES = 1_000
"""The number of failed records that a report names. It counts all."""
MAX_SKIPPED = 100
"""The number of records that a report names as left out, for each reason."""


class UserCounts(Struct):
    create: int = 0
    adopt: int = 0
    update: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0


class GroupCounts(Struct):
    create: int = 0
    adopt: int = 0
    update: int = 0
    delete: int = 0


class MembershipCounts(Struct):
    add: int = 0
    remove: int = 0


class Counts(Struct):
    """How many changes of each sort; edges for memberships."""

    users: UserCounts = field(default_factory=UserCounts)
    groups: GroupCounts = field(default_factory=GroupCounts)
    memberships: MembershipCounts = field(default_factory=MembershipCounts)

    @property
    def total(self) -> int:
        return sum(sum(structs.astuple(part)) for part in (self.users, self.groups, self.memberships))


class Violation(Struct, frozen=True):
    """A limit that the plan passes: ``deletes``, ``5%``, ``38% (80 of 212)``."""

    limit: str
    allowed: str
    found: str


class Approval(Struct, frozen=True):
    """An approval that let harmful ``changes`` through: whose, when and why."""

    by: str
    at: str
    reason: str | None
    changes: int


class Skipped(Struct, frozen=True):
    """A record or edge left out, because ``reason``; ``at`` is the rule's place where there is one."""

    kind: Kind
    id: str
    reason: str
    at: str | None = None


class Failed(Struct, frozen=True):
    """A record that could not be shaped or delivered. It is tried again in the next run."""

    kind: Kind
    id: str
    error: str
    at: str | None = None


class PullReport(Struct):
    """What was read: counts are of the snapshot after the pull; ``seconds`` is wall time.

    ``changed`` counts records, and groups' members, that are not as they were; ``unresolved`` members of groups whom
    the directory does not list, ``ambiguous`` those whose name several records have. ``accepted``:
    attributes that all records lost, by a person's word.
    """

    complete: bool
    users: int
    groups: int
    memberships: int
    seconds: float
    unresolved: int = 0
    changed: int = 0
    ambiguous: int = 0
    accepted: list[str] = []


class Verified(Struct, frozen=True):
    """What a target was found to hold. ``objects``: of people and groups who are in the directory; ``missing``: those
    of them that are not there; ``changed``: objects that differ; ``groups``: those that have other members."""

    objects: int = 0
    missing: int = 0
    changed: int = 0
    groups: int = 0


class Upcoming(Struct, frozen=True):
    """What the time changes ``until`` a moment although the directory says the same: how many users. ``guard``: the
    limits that these changes alone exceed."""

    until: str
    create: int = 0
    update: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0
    guard: list[Violation] = []


class TargetReport(Struct):
    """What was planned for one directory at one target, and what was delivered of it.

    ``counts`` are of what was delivered (of what would be, when nothing was to be delivered), ``planned`` of the whole
    plan, whose hash is ``plan``. ``guard``: the limits that it exceeds. ``harm``: the hash of the harmful changes that
    wait for a decision, if it is held. ``approved``: the approvals that let changes through; ``rejected``: how many
    changes were left out because a person rejected them. ``failed`` names the first of the ``failures``. ``error``,
    with its ``code``: the target as a whole. ``entries``: how many of the run's entries in the journal are about
    it. ``run``: the delivery. ``notes``: what a person should know about the target. ``leaving``: the target does not
    list the directory, and what it holds of it leaves. ``verified``: None when it was not compared with its links.
    ``upcoming``: what dates change within the next days, in a plan; None: nothing.
    ``changes``, where they are listed, are never written to the state.
    """

    target: str
    counts: Counts = field(default_factory=Counts)
    planned: Counts = field(default_factory=Counts)
    held: bool = False
    guard: list[Violation] = []
    harm: str | None = None
    approved: list[Approval] = []
    rejected: int = 0
    skipped: list[Skipped] = []
    failed: list[Failed] = []
    failures: int = 0
    error: str | None = None
    plan: str | None = None
    seconds: float = 0
    entries: int = 0
    notes: list[str] = []
    leaving: bool = False
    changes: PackedChanges | None = None
    verified: Verified | None = None
    upcoming: Upcoming | None = None
    directory: str = ""
    run: str | None = None
    code: str | None = None


class PullRun(Struct):
    """One pull of one directory. ``skipped`` names members of groups that the directory does not list, ``failed`` the
    first of the ``failures``: records of which it hides what the rules need. ``seconds``: wall time. ``changed``: the
    snapshot has a new revision."""

    directory: str
    connector: str
    run: str
    status: Status
    started: str
    cause: Cause = "manual"
    finished: str | None = None
    error: str | None = None
    pull: PullReport | None = None
    skipped: list[Skipped] = []
    failed: list[Failed] = []
    failures: int = 0
    seconds: float = 0
    changed: bool = False
    code: str | None = None


class DeliveryRun(Struct):
    """One delivery to one target. ``pulls``: the ids of the pulls that it follows. ``targets``: the share of each
    directory. ``waits``: directories that were not read yet as the rules demand. ``due``: when the target has something
    to do without a pull. ``only``: the directories that were requested; None: all."""

    target: str
    connector: str
    run: str
    status: Status
    started: str
    cause: Cause = "manual"
    finished: str | None = None
    error: str | None = None
    pulls: list[str] = []
    targets: list[TargetReport] = []
    waits: list[str] = []
    notes: list[str] = []
    due: str | None = None
    seconds: float = 0
    only: list[str] | None = None
    code: str | None = None


class RunReport(Struct):
    """A pull of one directory and its shares of the deliveries that followed, as ``plan`` and ``sync`` show them; runs
    before release 0.2 were recorded so. ``run`` is the pull's, or that of the first delivery where nothing was read.
    ``skipped`` names members of groups that the directory does not list, ``failed`` the first of the ``failures``:
    records of which it hides what the rules need. ``seconds``: wall time of all steps, those of a failed run too.
    ``only``: the one target that a run of an earlier release was for; None: all."""

    directory: str
    connector: str
    run: str
    status: Status
    started: str
    finished: str | None = None
    error: str | None = None
    pull: PullReport | None = None
    targets: list[TargetReport] = []
    skipped: list[Skipped] = []
    failed: list[Failed] = []
    failures: int = 0
    plan: str | None = None
    seconds: float = 0
    only: str | None = None
    code: str | None = None


_WORST_FIRST: tuple[Status, ...] = ("failed", "held", "partial", "planned", "succeeded")


def worst(statuses: Iterable[Status]) -> Status:
    """The status of a whole, from those of its parts."""
    return min(statuses, key=_WORST_FIRST.index)


def targets_of(report: PullRun | DeliveryRun | RunReport) -> Sequence[TargetReport]:
    """The shares of a run."""
    return () if isinstance(report, PullRun) else report.targets


def share_status(share: TargetReport) -> Status:
    """The status of one directory in a delivery."""
    if share.error:
        return "failed"
    if share.held:
        return "held"
    return "partial" if share.failures else "succeeded"


def status(report: PullRun | DeliveryRun | RunReport, *, delivered: bool) -> Status:
    """The status of a run, from those of its parts: the worst of them."""
    failures = 0 if isinstance(report, DeliveryRun) else report.failures
    own: Status = "failed" if report.error else "partial" if failures else "succeeded"
    found = worst([own, *map(share_status, targets_of(report))])
    return found if delivered or found == "failed" else "planned"
