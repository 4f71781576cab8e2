"""What a run says of itself: the shapes behind ``--json``, ``history`` and the summary line.

The field names are promised to scripts (docs/json.md): adding one is free, renaming one breaks them.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from usersyncd.plugin import Kind

Status = Literal["planned", "succeeded", "partial", "held", "failed"]


class UserCounts(Struct):
    create: int = 0
    update: int = 0
    deactivate: int = 0
    reactivate: int = 0
    delete: int = 0


class GroupCounts(Struct):
    create: int = 0
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


class Passed(Struct, frozen=True):
    """A limit that the plan passes: ``deletes``, ``5%``, ``38% (80 of 212)``."""

    limit: str
    allowed: str
    found: str


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
    """What was read: counts are of the snapshot after the pull; ``seconds`` is wall time."""

    complete: bool
    users: int
    groups: int
    memberships: int
    seconds: float
    unresolved: int = 0
    changed: int = 0


class TargetReport(Struct):
    """What was planned for, or delivered to, one target."""

    target: str
    counts: Counts = field(default_factory=Counts)
    held: bool = False
    guard: list[Passed] = []
    skipped: list[Skipped] = []
    failed: list[Failed] = []
    error: str | None = None
    changes: list[dict[str, Any]] | None = None


class RunReport(Struct):
    """One run of one directory."""

    directory: str
    connector: str
    run: str
    status: Status
    started: str
    finished: str
    error: str | None = None
    pull: PullReport | None = None
    targets: list[TargetReport] = []
    skipped: list[Skipped] = []
    plan: str | None = None
