"""The reports of runs: the data behind ``--json``, ``history`` and the summary line.

The field names are promised to scripts (docs/json.md): adding one is free, renaming one breaks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct, field, structs

from usersyncd.core.packed_changes import PackedChanges
from usersyncd.plugin import Kind

Status = Literal["planned", "succeeded", "partial", "held", "failed"]
Cause = Literal["interval", "manual", "pull", "date", "approval", "retry", "reload", "request", "push"]
"""Why a run began. ``request``: somebody asked for it through the API; ``push``: the directory sent changes."""

MAX_FAILURES = 1_000
"""The largest number of failed records that a report names. The others are only counted."""
MAX_SKIPPED = 100
"""The largest number of left out records that a report names, for each reason."""


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
    """A limit that a plan exceeds: ``deletes``, ``5%``, ``38% (80 of 212)``."""

    limit: str
    allowed: str
    found: str


class Approval(Struct, frozen=True):
    """An approval that let a number of harmful ``changes`` through: who gave it, when and why."""

    by: str
    at: str
    reason: str | None
    changes: int


class Skipped(Struct, frozen=True):
    """A record or membership that was left out, and the ``reason``. ``at``: the place of the rule, if one decided."""

    kind: Kind
    id: str
    reason: str
    at: str | None = None


class Failed(Struct, frozen=True):
    """A record that could not be shaped or delivered. The next run tries it again."""

    kind: Kind
    id: str
    error: str
    at: str | None = None


class PullReport(Struct):
    """What a pull read. ``users``, ``groups`` and ``memberships`` are those of the snapshot after the pull; ``seconds``
    is wall time.

    ``changed`` counts the records that changed and the groups with other members; ``unresolved`` the members of groups
    that the directory does not list; ``ambiguous`` the members whose name several records have. ``accepted``: the
    attributes that all records lost with a person's approval. ``requests``: how many changes a directory pushed; None:
    it was pulled.
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
    requests: int | None = None


class Verified(Struct, frozen=True):
    """The result of a verification. ``objects``: the compared objects of people and groups that are in the directory;
    ``missing``: those that the target lacks; ``changed``: those that differ; ``groups``: those with other members."""

    objects: int = 0
    missing: int = 0
    changed: int = 0
    groups: int = 0


class Upcoming(Struct, frozen=True):
    """The numbers of users that dates change ``until`` a moment, if the directory stays the same. ``guard``: the limits
    that these changes alone exceed."""

    until: str
    create: int = 0
    update: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0
    guard: list[Violation] = []


class TargetReport(Struct):
    """The share of one directory in a delivery to one target: what was planned, and what was delivered.

    ``counts``: the delivered changes; in a run that only plans, the planned ones. ``planned``: the changes of the whole
    plan; ``plan``: its hash. ``held``: the guard holds the share; ``guard``: the limits that it exceeds; ``harm``: the
    hash of the harmful changes that wait for a decision. ``approved``: the approvals that let changes through;
    ``rejected``: how many changes were left out because a person rejected them. ``failed`` names the first of the
    ``failures``. ``error``, with its ``code``: why the share as a whole failed. ``entries``: how many entries in the
    journal the run wrote for it. ``run``: the id of the delivery. ``notes``: warnings. ``leaving``: the target does not
    list the directory, so everything that it holds of it leaves. ``verified``: the result of the verification; None:
    there was none. ``upcoming``: what dates change within the next days, in a plan; None: nothing. ``changes``, if they
    are listed, are never stored.
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
    """One pull of one directory, or of one person.

    ``skipped`` names members of groups that the directory does not list. ``failed`` names the first of the
    ``failures``: records whose attributes the directory hides although the rules need them. ``seconds``: wall time.
    ``changed``: the snapshot has a new revision. ``by``: who asked for the run. ``person``: the id or key of the person
    who was requested; None: the directory was read. ``people``: the ids that were read for it. ``entered``,
    ``left``: the groups that then listed a person by more or fewer names, each with these names.
    """

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
    by: str | None = None
    person: str | None = None
    people: list[str] = []
    entered: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}


class DeliveryRun(Struct):
    """One delivery to one target. ``pulls``: the ids of the pulls that it follows. ``targets``: the share of each
    directory. ``waits``: the directories whose next pull must read attributes that the rules need. ``due``: when the
    next delivery is due without a pull. ``only``: the requested directories; None: all."""

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
    """A pull of one directory and its shares of the deliveries that followed, as ``plan`` and ``sync`` show them. Runs
    before release 0.2 were recorded in this form.

    ``run``: the id of the pull, or of the first delivery if nothing was read. ``skipped`` names members of groups that
    the directory does not list. ``failed`` names the first of the ``failures``: records whose attributes the directory
    hides although the rules need them. ``seconds``: wall time of all steps, also of a failed run. ``only``: the one
    target of a run of an earlier release; None: all.
    """

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
    """The worst of these statuses."""
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
    """The status of a run: the worst status of its parts."""
    failures = 0 if isinstance(report, DeliveryRun) else report.failures
    own: Status = "failed" if report.error else "partial" if failures else "succeeded"
    found = worst([own, *map(share_status, targets_of(report))])
    return found if delivered or found == "failed" else "planned"
