"""The promise of a pull of one person: after random changes, and pulls of some people in between, the next incremental
pull ends where a first pull of the directory does, even if its feed does not report what came and left in between."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.run.edits import GROUPS, USERS, Edit, edits, joins_or_changes, leaves, membership, populate
from tests.run.snapshots import snapshot
from tests.run.world import World
from tests.servers.shared import MEMORY
from usersyncd.plugin import Kind

requests = st.sampled_from([*USERS, *map("login:{}".format, USERS), *GROUPS])
PULL = "pull"


def comes_and_goes(world: World, user: str, group: str) -> None:
    """A user joins, or joins a group, is pulled, and leaves again: a comparison of two listings shows nothing of it."""
    before = deepcopy(world.directory)
    joins_or_changes(world, user, "Guest", None)
    membership(world, group, user, stays=True)
    asked(world, user)
    for name in ("users", "members", "handles"):
        setattr(world.directory, name, getattr(before, name))


flickers = st.tuples(st.just(comes_and_goes), st.sampled_from(USERS), st.sampled_from(GROUPS))
steps = st.lists(st.one_of(edits, requests, flickers, st.just(PULL)), min_size=1, max_size=25)


@given(steps=steps, seed=st.integers(0, 999))
@example(steps=[(leaves, "u0"), (comes_and_goes, "u0", "g0")], seed=0)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_people_and_an_incremental_pull_end_where_a_first_pull_does(steps: list[Edit | str], seed: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        world = World(folder, incremental=True)
        populate(world, Random(seed))
        assert world.run().status == "succeeded"
        for step in steps:
            if step == PULL:
                assert world.run().status == "succeeded"
            elif isinstance(step, str):
                asked(world, step)
            else:
                edit, *arguments = step
                edit(world, *arguments)
        report = world.run()
        assert report.status == "succeeded", report
        assert report.pull is not None
        assert not report.pull.complete
        found, whole = snapshot(world.database, world.name), first_snapshot(world, folder)
        world.database.close()
        assert found["records"] == whole["records"]
        assert {group: names for group, names in found["names"].items() if (Kind.GROUP, group) in found["records"]} == {
            group: names for group, names in whole["names"].items() if names
        }
    finally:
        shutil.rmtree(folder)


def asked(world: World, name: str) -> None:
    """Pull a person, and check that the snapshot has what the directory says of the person now."""
    report = world.ask(name)
    assert report.status == "succeeded" or report.code in ("unknown_person", "ambiguous_person"), report
    if name in USERS and report.status == "succeeded":
        found = snapshot(world.database, world.name)
        attributes = world.directory.users.get(name)
        held = found["records"].get((Kind.USER, name))
        assert (held and held[0]) == (
            None if attributes is None else {key: value for key, value in attributes.items() if value is not None}
        )


def first_snapshot(world: World, folder: Path) -> dict[str, dict[str, set[int]]]:
    (folder / "first").mkdir()
    other = World(folder / "first")
    other.directory = deepcopy(world.directory)
    other.directory.incremental = False
    assert other.run().status == "succeeded"
    found = snapshot(other.database, other.name)
    other.database.close()
    return found
