"""A state machine: in no window do the runs harm more than the limits allow and a person approved.

The directory, the faults and the clock are random. The harm of each run is computed from plain sets of what the target
held before and after it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from msgspec import json

from tests.run.items import NOON
from tests.run.world import World
from tests.servers.shared import MEMORY
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import RunReport
from usersyncd.plugin import Kind
from usersyncd.state.approvals import held_shares
from usersyncd.testing import TargetFaults

PEOPLE = [f"u{number:02}" for number in range(12)]
GROUPS = [f"g{number}" for number in range(6)]
WINDOW = timedelta(days=1)
SHARE = 30
LEAST = 2
LIMIT = Limit(SHARE, True)
GUARD = Guard(
    deletes=LIMIT, deactivations=LIMIT, member_removals=LIMIT, adoptions=LIMIT, reactivations=LIMIT, blanked=LIMIT,
    emptied=LIMIT, at_least=LEAST, window=WINDOW,
)  # fmt: skip
PERSON, GROUP = st.sampled_from(PEOPLE), st.sampled_from(GROUPS)
SOME = st.sets(PERSON, min_size=1, max_size=3)
HOURS = st.sampled_from([0, 0, 5, 11, 13, 30])
"""Hours between a change and the next run, mostly within the window."""

Things = frozenset[Any]


@dataclass(frozen=True)
class Held:
    """What the target holds, by ids of the directory. Each kind of harm removes something from one of these sets."""

    users: Things
    active: Things
    inactive: Things
    titled: Things
    groups: Things
    peopled: Things
    edges: Things

    @classmethod
    def of(cls, world: World) -> Held:
        users, groups, edges = world.held(), world.held(Kind.GROUP), world.edges()
        active = frozenset(id_ for id_, shape in users.items() if shape["active"])
        return cls(
            frozenset(users), active, frozenset(users) - active,
            frozenset(id_ for id_, shape in users.items() if shape.get("title")), frozenset(groups),
            frozenset(group for group, _, _ in edges), frozenset((group, member) for group, _, member in edges),
        )  # fmt: skip

    def lost(self, after: Held, sort: str) -> Things:
        """Return what a run removed from a set, if the target held ``after`` at its end.

        A deleted object does not count as deactivated or emptied. What a deactivation or reactivation empties
        belongs to it.
        """
        gone: Things = getattr(self, sort) - getattr(after, sort)
        if sort == "titled":
            gone -= self.active ^ after.active
        if sort in ("active", "titled", "inactive"):
            return gone & after.users
        return gone & after.groups if sort == "peopled" else gone

    def misses(self, things: Set[Any], sort: str) -> set[Any]:
        """Return those of ``things`` whose harm is still in effect."""
        gone = things - getattr(self, sort)
        if sort == "inactive":
            return set(gone & self.users)
        return set(gone & self.groups) if sort == "peopled" else set(gone)


SORTS = ("users", "active", "inactive", "titled", "groups", "peopled", "edges")
BY_OPERATION = {
    ("user", "delete"): "users", ("user", "deactivate"): "active", ("user", "reactivate"): "inactive",
    ("user", "update"): "titled", ("group", "delete"): "groups", ("group", "remove"): "peopled",
}  # fmt: skip
OPPOSITE = {"active": "inactive", "inactive": "active"}


@dataclass
class Past:
    """The harm of each run that nobody approved: when, what, and of which sort."""

    losses: list[tuple[timedelta, str, set[Any]]] = field(default_factory=list)

    def of(self, sort: str, since: timedelta) -> set[Any]:
        return set().union(*(things for when, name, things in self.losses if name == sort and when > since))

    def forget(self, sort: str, things: Set[Any]) -> None:
        for _, name, some in self.losses:
            if name == sort:
                some -= things


class Drain(RuleBasedStateMachine):
    """``time`` is the real time. The clock of the runs shows it, except in runs with a wrong clock."""

    @initialize(deletes=st.booleans())
    def begin(self, deletes: bool) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.world = World(self.folder)
        self.world.target(guard=GUARD, delete_after=timedelta(0) if deletes else None)
        self.time = timedelta(0)
        self.wrong: timedelta | None = None
        """When the clock was last wrong."""
        self.past = Past()
        self.approved: dict[str, set[Any]] = {}
        """What a person approved and no run has delivered yet, by sort."""
        self.world.people(*PEOPLE, title="Cook")
        for group in GROUPS:
            self.world.group(group, *PEOPLE[:4])
        self.deliver()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.database.close()
            shutil.rmtree(self.folder)

    # ---- what the directory says

    @rule(people=SOME, hours=HOURS)
    def leave(self, people: set[str], hours: int) -> None:
        for id_ in people:
            self.world.directory.users.pop(id_, None)
        self.deliver(hours)

    @rule(people=SOME, active=st.booleans(), title=st.sampled_from(["Cook", "Boss", "", None]), hours=HOURS)
    def are(self, people: set[str], active: bool, title: str | None, hours: int) -> None:
        self.world.people(*people, active=active, **({} if title is None else {"title": title}))
        self.deliver(hours)

    @rule(group=GROUP, people=st.sets(PERSON, max_size=4), hours=HOURS)
    def members(self, group: str, people: set[str], hours: int) -> None:
        self.world.group(group, *people)
        self.deliver(hours)

    @rule(group=GROUP, hours=HOURS)
    def goes(self, group: str, hours: int) -> None:
        self.world.leave(group, kind=Kind.GROUP)
        self.deliver(hours)

    @rule()
    def restore_the_directory(self) -> None:
        """A person looks at the held changes, and restores the directory to what the target holds."""
        held = self.world.held()
        self.world.directory.users = {
            id_: {"active": shape["active"], "title": shape.get("title")} for id_, shape in held.items()
        }
        for group in GROUPS:
            self.world.leave(group, kind=Kind.GROUP)
        for group in self.world.held(Kind.GROUP):
            self.world.group(group, *self.world.members().get(group, ()))

    # ---- runs

    @rule(days=st.sampled_from([-400, 400]))
    def sync_by_a_wrong_clock(self, days: int) -> None:
        """Run with a wrong clock, at most once in a window."""
        if self.wrong is None or self.time - self.wrong > 2 * WINDOW:
            self.wrong = self.time
            self.deliver(ahead=timedelta(days=days))
            self.deliver()

    @rule(after=st.integers(0, 8), unseen=st.booleans())
    def sync_and_lose_the_answer(self, after: int, unseen: bool) -> None:
        self.world.store.faults = TargetFaults(die_after=after, die_unseen=unseen)
        self.deliver()
        self.world.store.faults = TargetFaults()

    @rule(stale=st.booleans(), people=SOME)
    def approve(self, stale: bool, people: set[str]) -> None:
        """A person approves the held changes. ``stale``: the plan has changed before the next run."""
        for sort, things in self.decide(approved=True).items():
            self.approved.setdefault(sort, set()).update(things)
            if sort == "edges":
                self.past.forget(sort, things)
        if stale:
            for id_ in people:
                self.world.directory.users.pop(id_, None)
        self.deliver()

    @rule()
    def reject(self) -> None:
        """A person rejects the held changes. None of them may be delivered, though others are."""
        rejected = self.decide(approved=False)
        before = Held.of(self.world)
        self.deliver()
        for sort, things in rejected.items():
            assert things.isdisjoint(before.lost(Held.of(self.world), sort))

    def decide(self, *, approved: bool) -> dict[str, set[Any]]:
        """Decide about all held changes, and return them by sort."""
        self.deliver()
        with self.world.database.read() as connection:
            found = held_shares(connection)
        if not found:
            return {}
        self.world.decide(approved=approved)
        decided: dict[str, set[Any]] = {}
        for identity in found[0].identities:
            kind, id_, op, *more = json.decode(identity)
            sort = BY_OPERATION.get((kind, op))
            if op == "remove" and more:
                decided.setdefault("edges", set()).add((id_, more[1]))
            elif sort is not None and more in ([], ["title"]):
                decided.setdefault(sort, set()).add(id_)
        return decided

    def tick(self, ahead: timedelta = timedelta(0)) -> None:
        self.time += timedelta(minutes=1)
        self.world.now = NOON + self.time + ahead

    def deliver(self, hours: int = 0, ahead: timedelta = timedelta(0)) -> None:
        self.time += timedelta(hours=hours)
        self.tick(ahead)
        before = Held.of(self.world)
        report = self.world.run(log=False)
        after = Held.of(self.world)
        if not report.targets:
            assert "the pull was discarded" in str(report.error)  # An attribute vanished.
            assert before == after
            return
        (target,) = report.targets
        assert target.error is None or "died" in target.error, target.error
        if target.held:
            assert before == after
            return
        lost = {sort: self.judge(sort, before, after, report) for sort in SORTS}
        for sort in SORTS:
            self.past.forget(sort, getattr(after, sort))
            self.past.losses.append((self.time, sort, lost[sort]))
            self.approved.get(sort, set()).difference_update(before.lost(after, sort))

    def judge(self, sort: str, before: Held, after: Held, report: RunReport) -> set[Any]:
        """What of a sort a run took away that nobody approved, which is within the limits."""
        lost = before.lost(after, sort) - self.approved.get(sort, set())
        if sort in OPPOSITE:
            lost -= self.past.of(OPPOSITE[sort], since=-WINDOW)  # It only restores.
        right = self.wrong is None or self.time - self.wrong > 2 * WINDOW
        latest = self.time - (WINDOW if right else WINDOW / 2)
        begins = {latest, -WINDOW, *(when for when, name, _ in self.past.losses if name == sort and when < latest)}
        found = [self.measure(sort, lost, before, after, begin) for begin in begins]
        assert not lost or any(harmed < LEAST or harmed * 100 <= SHARE * of for harmed, of in found), (found, report)
        return set(lost)

    def measure(self, sort: str, lost: Things, before: Held, after: Held, begin: timedelta) -> tuple[int, int]:
        """How much a window that began then harmed, and how much was held at its beginning. A long gap between two runs
        counts for half a window, so a window may be longer than it says."""
        earlier = self.past.of(sort, begin)
        return len(lost | after.misses(earlier, sort)), len(getattr(before, sort)) + len(before.misses(earlier, sort))


SHORT = settings(
    stateful_step_count=20,
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)


def test_no_window_harms_more_than_the_limits() -> None:
    run_state_machine_as_test(Drain, settings=SHORT)


@pytest.mark.slow
def test_no_window_harms_more_than_the_limits_at_length() -> None:
    run_state_machine_as_test(Drain, settings=settings(SHORT, max_examples=1_500, stateful_step_count=40))
