"""A directory is removed from a target or from the file: its people are leavers there until it returns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.run.moved import active
from tests.run.world import World, rules
from usersyncd.core.model import Guard
from usersyncd.core.report import TargetReport
from usersyncd.plugin import Kind

PEOPLE = tuple(f"u{number:02}" for number in range(12))


def goes(world: World, how: str) -> None:
    """Remove the directory from the target ``app``, or from the file."""
    world.removed = how == "removed"
    world.unlisted = {"app"}


def returns(world: World) -> None:
    world.removed, world.unlisted = False, set()


def leaves(world: World, **asked: Any) -> TargetReport:
    report = world.run(**asked)
    [target] = report.targets
    assert (report.error, target.error, target.leaving) == (None, None, True)
    assert (report.pull is None) is world.removed
    return target


gone = pytest.mark.parametrize("how", ["unlisted", "removed"])


@gone
def test_people_of_a_removed_directory_are_leavers_and_its_groups_are_deleted(world: World, how: str) -> None:
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.synced()
    goes(world, how)
    counts = leaves(world).counts
    assert (counts.users.deactivate, counts.groups.delete, counts.memberships.remove) == (2, 1, 2)
    assert (active(world.store), world.store.groups, world.members()) == (set(), {}, {})
    assert world.run().targets == [], "nothing is left to do"


@gone
def test_a_directory_that_returns_has_all_its_people_again(world: World, how: str) -> None:
    world.people("u1", "u2", "u3")
    world.group("g1", "u1", "u2")
    world.synced()
    goes(world, how)
    leaves(world)
    world.leave("u3")
    returns(world)
    counts = world.synced().counts
    assert (counts.users.reactivate, counts.groups.create, counts.memberships.add) == (2, 1, 2)
    assert active(world.store) == {"u1", "u2"}
    assert world.members() == {"g1": {"u1", "u2"}}
    assert world.plan().targets[0].planned.total == 0


@gone
def test_many_leavers_are_held_until_a_person_approves_them(world: World, how: str) -> None:
    world.target(guard=Guard())
    world.people(*PEOPLE)
    world.synced()
    goes(world, how)
    report = world.run()
    assert report.status == "held"
    assert [passed.found for passed in report.targets[0].guard] == ["100% (12 of 12)"]
    assert len(active(world.store)) == 12
    world.decide()
    assert leaves(world).counts.users.deactivate == 12
    assert active(world.store) == set()


@gone
def test_a_few_people_leave_without_approval_unless_at_least_is_smaller(world: World, how: str) -> None:
    world.target(guard=Guard(at_least=1))
    world.people(*PEOPLE[:5])
    world.synced()
    goes(world, how)
    assert world.run().status == "held"
    world.target(guard=Guard())
    assert leaves(world).counts.users.deactivate == 5


@gone
def test_a_directory_may_return_while_it_is_leaving(world: World, how: str) -> None:
    """The target fails after some have left. A pull without changes must not hide the others."""
    world.directory.incremental = True
    world.people("u1", "u2", "u3")
    world.group("g1", "u1", "u2")
    world.synced()
    goes(world, how)
    world.store.faults.die_after = 3
    assert world.run().status == "failed"
    world.store.faults.die_after = None
    returns(world)
    world.synced()
    assert active(world.store) == {"u1", "u2", "u3"}
    assert world.members() == {"g1": {"u1", "u2"}}


@gone
def test_a_directory_may_return_in_part_and_leave_again(world: World, how: str) -> None:
    world.directory.incremental = True
    world.people("u1", "u2")
    world.synced()
    goes(world, how)
    leaves(world)
    returns(world)
    world.store.faults.die_after = 1
    assert world.run().status == "failed"
    assert len(active(world.store)) == 1
    world.store.faults.die_after = None
    goes(world, how)
    leaves(world)
    assert active(world.store) == set()


@gone
def test_leavers_are_deleted_when_their_time_has_come(world: World, how: str) -> None:
    world.target(delete_after=timedelta(days=30))
    world.now = datetime(2026, 1, 1, tzinfo=UTC)
    world.people("u1", "u2")
    world.synced()
    goes(world, how)
    assert leaves(world).counts.users.deactivate == 2
    assert leaves(world).counts.total == 0
    world.now += timedelta(days=31)
    assert leaves(world).counts.users.delete == 2
    assert world.run().targets == []


@gone
def test_changes_that_were_not_answered_leave_too(world: World, how: str) -> None:
    """The target has created the people, and the state has no link."""
    world.people("u1", "u2")
    world.store.faults.die_after_commit = True
    assert world.run().status == "failed"
    world.store.faults.die_after_commit = False
    goes(world, how)
    leaves(world)
    assert active(world.store) == set()


@gone
def test_a_missing_object_is_not_created_in_order_to_leave(world: World, how: str) -> None:
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.synced()
    world.store.delete(Kind.USER, "m1")
    goes(world, how)
    leaves(world, verify=True)
    assert (active(world.store), len(world.store.users), world.store.groups) == (set(), 1, {})
    assert leaves(world, verify=True).counts.total == 0
    assert world.run().targets == []


def test_a_directory_that_leaves_one_target_stays_in_the_others(world: World) -> None:
    world.target("crm")
    world.people("u1")
    world.run()
    goes(world, "unlisted")
    report = world.run()
    assert [(target.target, target.leaving) for target in report.targets] == [("crm", False), ("app", True)]
    assert (active(world.store), active(world.stores["crm"])) == (set(), {"u1"})


def test_a_target_that_lists_it_under_another_name_keeps_its_people(world: World) -> None:
    """The target ``app`` is renamed to ``main``, and another target gets its old name."""
    world.people("u1")
    world.synced()
    world.stores["main"] = world.store
    world.target("main")
    goes(world, "unlisted")
    assert [target.target for target in world.plan().targets] == ["main"]
    for _ in range(2):
        report = world.run()
        assert (report.status, [target.target for target in report.targets]) == ("succeeded", ["main"])
    assert active(world.store) == {"u1"}


def test_nothing_leaves_as_long_as_a_target_cannot_be_recognised(world: World) -> None:
    """It may be the target that lists the directory."""
    world.people("u1")
    world.synced()
    world.target("main")
    world.stores["main"].faults.down = True
    goes(world, "unlisted")
    report = world.run()
    assert (report.status, [target.target for target in report.targets]) == ("failed", ["main"])
    assert active(world.store) == {"u1"}


def test_another_directory_takes_a_key_when_it_is_given_up(world: World) -> None:
    """The account needs consent, like any leaver's account."""
    world.target(users=rules(None, "login", login="user.userName"))
    world.user("u1", userName="anna")
    world.synced()
    goes(world, "removed")
    leaves(world)
    other = World(world.folder, state=world.url)
    other.name, other.stores = "beta", world.stores
    world.beside, other.beside = [other], [world]
    other.target(users=rules(None, "login", login="user.userName"))
    other.user("x9", userName="anna")
    report = other.run()
    other.database.close()
    assert [failed.error.partition("\n")[0] for failed in report.targets[0].failed] == [
        "its login 'anna' is that of user u1 of acme, who left"
    ]
