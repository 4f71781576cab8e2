"""A state machine: a directory and a target in memory change and fail in any order.

After each run, the target is compared with a plain description of what it must hold.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.run.edits import PLAIN, RULED, Edit, edits, groups, populate, users
from tests.run.world import World
from tests.servers.postgres import Postgres
from tests.servers.shared import MEMORY
from usersyncd.core.model import MembershipMode
from usersyncd.plugin import Kind
from usersyncd.testing import SourceFaults, TargetFaults


class Runs(RuleBasedStateMachine):
    """The target is an exact image of the directory, apart from leavers: these stay, deactivated."""

    def __init__(self, state: str | None = None) -> None:
        super().__init__()
        self.state = state
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))

    def teardown(self) -> None:
        try:
            if hasattr(self, "world"):
                self.a_run_brings_everything_over(complete=False, shuffle=False, repeat=False)
                self.world.database.close()
        finally:
            shutil.rmtree(self.folder)

    @initialize(incremental=st.booleans(), seed=st.integers(0, 999))
    def begin(self, incremental: bool, seed: int) -> None:
        self.world = World(self.folder, state=self.state, incremental=incremental)
        self.random = Random(seed)
        self.ruled = self.random.random() < 0.6
        self.mode: MembershipMode = self.random.choice(["flattened", "direct"])
        self.since: Since = {}
        self.pulls = 0
        self._rules()
        populate(self.world, self.random)

    # ---- the directory changes

    @rule(edits=st.lists(edits, min_size=1, max_size=8))
    def the_directory_changes(self, edits: list[Edit]) -> None:
        for edit, *arguments in edits:
            edit(self.world, *arguments)

    # ---- the admin edits the rules

    @rule(mode=st.sampled_from(["flattened", "direct"]))
    def the_rules_are_edited(self, mode: MembershipMode) -> None:
        """Other rules mean another target here, because a target's tables fit its rules."""
        self.ruled, self.mode = not self.ruled, mode
        self._rules()

    def _rules(self) -> None:
        chosen = RULED if self.ruled else PLAIN
        self.target = f"{'ruled' if self.ruled else 'plain'}-{self.mode}"
        self.world.targets.clear()
        self.world.target(self.target, users=chosen[0], groups=chosen[1], memberships=self.mode)

    # ---- things fail

    @rule(faults=st.sampled_from([{"fail_after": 0}, {"fail_after": 2}, {"no_done": True}, {"down": True}]))
    def the_directory_fails(self, faults: dict[str, Any]) -> None:
        self._nothing_changes(SourceFaults(**faults))

    def _nothing_changes(self, faults: SourceFaults) -> None:
        store = self.world.stores[self.target]
        before = (dict(store.users), dict(store.groups), set(store.memberships))
        self.world.directory.faults = faults
        report = self.world.run()
        self.world.directory.faults = SourceFaults()
        assert report.status == "failed"
        assert report.error
        assert (store.users, store.groups, store.memberships) == before

    @rule(who=users | groups, unseen=st.booleans(), after=st.none() | st.integers(0, 6))
    def the_target_fails(self, who: str, unseen: bool, after: int | None) -> None:
        """The target refuses one record and fails midway, perhaps after a change that it did not acknowledge."""
        store = self.world.stores[self.target]
        store.faults = TargetFaults(refuse={who}, die_after=after, die_unseen=unseen)
        self.world.run()
        store.faults = TargetFaults()
        self._pulled()

    # ---- and in the end

    @rule(complete=st.booleans(), shuffle=st.booleans(), repeat=st.booleans())
    def a_run_brings_everything_over(self, complete: bool, shuffle: bool, repeat: bool) -> None:
        self.world.directory.faults = SourceFaults(shuffle=self.random if shuffle else None, repeat=repeat)
        report = self.world.run(complete=complete)
        self.world.directory.faults = SourceFaults()
        assert report.status == "succeeded", report
        self._pulled()
        self._is_exact()
        again = self.world.plan()
        assert list(again.targets[0].changes or ()) == []

    def _pulled(self) -> None:
        """Note after a saved pull which user has which handle, and since which pull."""
        self.pulls += 1
        now = [(id_, handle) for (_, id_), some in self.world.directory.handles.items() for handle in some]
        self.since = {pair: self.since.get(pair, self.pulls) for pair in now}

    def _is_exact(self) -> None:
        world, since = self.world, self.since
        wanted = expected(world, since, ruled=self.ruled)
        held = world.held(Kind.USER, self.target)
        assert {key: shape for key, shape in held.items() if key in wanted} == wanted
        assert all(shape["active"] is False for key, shape in held.items() if key not in wanted)
        names = shown_groups(world, ruled=self.ruled)
        assert set(world.held(Kind.GROUP, self.target)) == set(names)
        assert world.edges(self.target) == edges(world, since, set(wanted), set(names), self.mode)


# ---- the plain description


Since = dict[tuple[str, str], int]
"""By user and handle: since which pull the user has the handle."""


def resolve(world: World, since: Since, member: str) -> tuple[Kind, str] | None:
    """Return the record that an id or handle identifies: of several users the first that had it.

    Users and groups never have the same id here.
    """
    named = sorted((pull, id_) for (id_, handle), pull in since.items() if handle == member)
    if named and (len(named) == 1 or named[0][0] < named[1][0]):
        return Kind.USER, named[0][1]
    if member in world.directory.users:
        return Kind.USER, member
    return (Kind.GROUP, member) if member in world.directory.groups else None


def everybody(world: World, since: Since, group: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Return the users in a group, directly or through nested groups."""
    found: set[str] = set()
    for member in world.directory.members.get(group, ()):
        who = resolve(world, since, member)
        if who is not None and who[0] is Kind.USER:
            found.add(who[1])
        elif who is not None and who[1] not in seen | {group}:
            found |= everybody(world, since, who[1], seen | {group})
    return found


def expected(world: World, since: Since, *, ruled: bool) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for id_, attributes in world.directory.users.items():
        boss = resolve(world, since, str(attributes["manager"])) if "manager" in attributes else None
        boss_id = boss[1] if boss and boss[0] is Kind.USER else None
        if not ruled:
            manager = {} if boss_id is None else {"manager": boss_id}
            found[id_] = {"id": id_, "title": attributes["title"], "active": True} | manager
        elif attributes["title"] != "Porter":
            holding = [group for group in world.directory.groups if id_ in everybody(world, since, group)]
            found[id_] = {
                "uid": id_,
                "title": attributes["title"],
                "groups": sorted({str(world.directory.groups[group]["displayName"]) for group in holding}),
                "active": True,
            }
            if boss_id is not None:
                found[id_]["boss"] = world.directory.users[boss_id]["title"]
    return found


def shown_groups(world: World, *, ruled: bool) -> list[str]:
    return [id_ for id_, group in world.directory.groups.items() if not ruled or group["displayName"] != "hidden"]


def edges(world: World, since: Since, present: set[str], shown: set[str], mode: str) -> set[tuple[str, Kind, str]]:
    found: set[tuple[str, Kind, str]] = set()
    for group in shown:
        if mode == "flattened":
            found |= {(group, Kind.USER, user) for user in everybody(world, since, group) & present}
            continue
        for member in world.directory.members[group]:
            who = resolve(world, since, member)
            if who is not None and who[1] in (present if who[0] is Kind.USER else shown):
                found.add((group, who[0], who[1]))
    return found


class AtLength(Runs):
    """The same, with many more steps: `make test-slow`."""


class OnPostgresql(Runs):
    """The same, with the state in PostgreSQL, in a new database for each example."""

    server: ClassVar[Postgres]
    template: ClassVar[str]

    def __init__(self) -> None:
        self.server.drop_databases()
        super().__init__(self.server.database(self.template))


def test_runs_on_postgresql(postgres: Postgres, migrated: str) -> None:
    OnPostgresql.server, OnPostgresql.template = postgres, migrated
    chosen = settings(TestRuns.settings, max_examples=6, stateful_step_count=8, phases=(Phase.generate,))
    run_state_machine_as_test(OnPostgresql, settings=chosen)


@pytest.mark.slow
def test_runs_on_postgresql_at_length(postgres: Postgres, migrated: str) -> None:
    OnPostgresql.server, OnPostgresql.template = postgres, migrated
    run_state_machine_as_test(OnPostgresql, settings=settings(TestRunsAtLength.settings, max_examples=150))


TestRuns: Any = Runs.TestCase
TestRunsAtLength: Any = pytest.mark.slow(AtLength.TestCase)
TestRuns.settings = settings(
    max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRunsAtLength.settings = settings(TestRuns.settings, max_examples=1500, stateful_step_count=25)
