"""Several targets of one directory: each gets its changes independently of the others."""

from __future__ import annotations

from tests.run.world import NO_LIMITS, World, rules
from usersyncd.core.model import Guard


def test_a_target_that_is_down_does_not_delay_the_others(world: World) -> None:
    world.target("crm")
    world.people("u1", title="Cook")
    world.stores["app"].faults.down = True
    report = world.run()
    app, crm = report.targets
    assert report.status == "failed"
    assert app.error == "the store in memory is down\n  → reset its faults"
    assert (app.counts.total, crm.counts.total, crm.error) == (0, 1, None)
    world.people("u2")
    world.people("u1", title="Boss")
    world.run()
    assert (set(world.held(name="app")), set(world.held(name="crm"))) == (set(), {"u1", "u2"})
    world.stores["app"].faults.down = False
    assert world.run().status == "succeeded"
    assert world.held(name="app") == world.held(name="crm")


def test_a_held_plan_does_not_delay_other_targets(world: World) -> None:
    people = [f"u{number:02}" for number in range(20)]
    world.people(*people)
    world.target("crm", guard=Guard())
    world.run()
    world.leave(*people[10:])
    report = world.run()
    assert report.status == "held"
    assert [target.held for target in report.targets] == [False, True]
    assert sum(shape["active"] is False for shape in world.held(name="app").values()) == 10
    assert all(shape["active"] for shape in world.held(name="crm").values())
    world.target("crm", guard=NO_LIMITS)
    assert world.run().status == "succeeded"
    assert world.held(name="app") == world.held(name="crm")


def test_a_new_target_gets_all_records_although_nothing_changed(world: World) -> None:
    world.directory.incremental = True
    world.people("u1", "u2")
    world.group("g1", "u1")
    world.run()
    world.target("crm")
    report = world.run()
    assert [target.counts.total for target in report.targets] == [0, 4]
    assert world.members("crm") == {"g1": {"u1"}}


def test_a_target_that_returns_to_the_file_is_brought_up_to_date(world: World) -> None:
    """Meanwhile one came, one left, and a manager has another title, which only this target's rules read."""
    world.directory.incremental = True
    reading = rules(None, "uid", uid="user.id", title="user.title", boss="user.manager.title")
    world.target(users=rules(None, "uid", uid="user.id", title="user.title"))
    world.target("crm", users=reading)
    world.people("u1", "u2", title="Cook", manager="u3")
    world.people("u3", title="Boss")
    world.group("g1", "u1", "u2")
    world.run()
    crm = world.targets.pop("crm")
    world.people("u4", title="Cook")
    world.leave("u2")
    world.run()
    world.people("u3", title="Director")
    world.group("g1", "u1", "u4")
    world.run()
    assert set(world.held(name="crm")) == {"u1", "u2", "u3"}
    world.targets["crm"] = crm
    assert world.run().status == "succeeded"
    held = world.held(name="crm")
    assert {key: shape["active"] for key, shape in held.items()} == {"u1": True, "u2": False, "u3": True, "u4": True}
    assert held["u1"]["boss"] == "Director"
    assert world.members("crm") == {"g1": {"u1", "u4"}}
    assert all(target.planned.total == 0 for target in world.plan().targets)


def test_a_refused_change_is_tried_again_at_that_target_only(world: World) -> None:
    world.target("crm")
    world.directory.incremental = True
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.stores["crm"].faults.refuse = {"u2"}
    report = world.run()
    assert report.status == "partial"
    assert [{failed.id for failed in target.failed} for target in report.targets] == [set(), {"u2"}]
    assert world.members("crm") == {"g1": {"u1"}}, "a user that the target lacks cannot be a member"
    world.stores["crm"].faults.refuse = set()
    report = world.run()
    assert [target.counts.total for target in report.targets] == [0, 2]
    assert world.members("crm") == {"g1": {"u1", "u2"}}


def test_a_change_that_was_not_answered_is_settled_although_the_directory_has_changed(world: World) -> None:
    """The target created u1 and never acknowledged it, and u1 left. The next run finds the object and counts it."""
    world.people("u1")
    world.store.faults.die_after, world.store.faults.die_unseen = 0, True
    assert world.run().status == "failed"
    assert set(world.held()) == {"u1"}
    world.store.faults.die_after = None
    world.leave("u1")
    world.people("u2")
    counts = world.synced().counts
    assert (counts.users.create, counts.users.deactivate) == (2, 1)
    assert {key: shape["active"] for key, shape in world.held().items()} == {"u1": False, "u2": True}
    assert world.plan().targets[0].planned.total == 0


def test_a_sync_without_targets_only_pulls(world: World) -> None:
    world.targets.clear()
    world.people("u1")
    report = world.run()
    assert (report.status, report.targets) == ("succeeded", [])
    assert report.pull is not None
    assert report.pull.users == 1
    world.target()
    world.synced()
    assert set(world.held()) == {"u1"}
