"""A target moves to another place, is replaced by another target, or is configured twice."""

from __future__ import annotations

from sqlalchemy import select

from tests.run.moved import active, copy_of, points_to
from tests.run.world import World
from usersyncd.deliver.recognize import KNOWN, MOVED, OTHER
from usersyncd.plugin import Kind
from usersyncd.state.tables import links, targets
from usersyncd.testing import MemoryStore


def sets(world: World) -> dict[str, int]:
    """Return the number of links of each identity."""
    with world.database.read() as connection:
        counts = dict.fromkeys(connection.scalars(select(targets.c.identity)), 0)
        for identity in connection.scalars(select(targets.c.identity).join(links, links.c.target == targets.c.id)):
            counts[identity] += 1
    return counts


def test_a_target_that_moved_keeps_its_links(world: World) -> None:
    world.people("u1", "u2")
    world.group("g1", "u1")
    world.synced()
    here = world.store
    points_to(world, there := copy_of(here, "there"))
    report = world.synced()
    assert (report.counts.total, report.notes) == (0, [MOVED])
    world.leave("u2")
    report = world.synced()
    assert (report.counts.users.deactivate, report.notes) == (1, [])
    assert (active(there), active(here)) == ({"u1"}, {"u1", "u2"})


def test_a_delivery_to_a_copy_does_not_count_for_the_original(world: World) -> None:
    world.people("u1", "u2", "u3")
    world.group("g1", "u1", "u3")
    world.synced()
    here = world.store
    points_to(world, copy_of(here, "there"))
    world.synced()
    world.leave("u2")
    world.group("g1", "u1")
    world.people("u4")
    world.synced()
    points_to(world, here)
    report = world.synced()
    assert report.notes == [KNOWN]
    assert active(here) == {"u1", "u3", "u4"}
    assert world.members() == {"g1": {"u1"}}
    assert world.plan().targets[0].planned.total == 0


def test_a_copy_that_is_older_than_the_last_delivery_is_verified(world: World) -> None:
    """A target that moves back to an earlier place is verified too."""
    world.people("u1", "u2")
    world.synced()
    here, there = world.store, copy_of(world.store, "there")
    world.people("u3")
    world.leave("u2")
    world.synced()
    for store in (there, here):
        points_to(world, store)
        report = world.synced()
        assert report.verified is not None
        assert active(store) == {"u1", "u3"}
        assert world.synced().verified is None
        there.delete(Kind.USER, "m1")
        here.delete(Kind.USER, "m1")


def test_an_unanswered_change_is_looked_up_where_the_target_is_now(world: World) -> None:
    """The copy was made before the change, which the first place has: there it was written."""
    world.people("u1", "u2", "u3")
    world.synced()
    here, there = world.store, copy_of(world.store, "there")
    world.people("u1", title="Cook")
    world.store.faults.die_after_commit = True
    assert world.run().status == "failed"
    points_to(world, there)
    world.synced()
    assert world.held()["u1"]["title"] == "Cook"
    here.faults.die_after_commit = False
    points_to(world, here)
    assert world.synced().planned.total == 0, "it was written there"


def test_another_target_has_links_of_its_own_and_the_old_ones_stay(world: World) -> None:
    world.people("u1", "u2")
    world.synced()
    here = world.store
    points_to(world, there := MemoryStore("there"))
    report = world.synced()
    assert (report.counts.users.create, report.notes) == (2, [OTHER])
    assert sets(world) == {here.identity: 2, "there": 2}
    world.leave("u1")
    world.synced()
    points_to(world, here)
    report = world.synced()
    assert (report.counts.users.deactivate, report.notes) == (1, [KNOWN])
    assert active(here) == active(there) == {"u2"}


def test_a_plan_does_not_store_where_a_target_is(world: World) -> None:
    """Otherwise a plan with a trial configuration would change the links."""
    world.people("u1", "u2")
    world.synced()
    here = world.store
    for store, note, changes in ((copy_of(here, "copy"), MOVED, 0), (MemoryStore("empty"), OTHER, 2)):
        points_to(world, store)
        [target] = world.plan().targets
        assert (target.notes, target.planned.total, target.error) == ([note], changes, None)
    assert sets(world) == {here.identity: 2}
    points_to(world, here)
    assert world.synced().notes == []


def test_one_target_that_is_configured_twice_is_refused(world: World) -> None:
    points_to(world, world.store, "twin")
    world.people("u1")
    report = world.run()
    app, twin = report.targets
    assert (report.status, app.error, app.counts.total, twin.counts.total) == ("failed", None, 1, 0)
    assert twin.error == (
        "this is the same target as app, and both list the directory acme\n"
        "  → list the directory in one of them only, or give both in one target; nothing was delivered"
    )
