"""A plan that passes a limit is held: nothing of it is delivered until the directory or the limits are others."""

from __future__ import annotations

from datetime import timedelta

from tests.run.world import NO_LIMITS, World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Counts, Passed, TargetReport
from usersyncd.plugin import Kind

AT_ONCE = timedelta(0)
EVERYBODY = [f"u{number:03}" for number in range(100)]


def company(world: World, **target: object) -> None:
    """A hundred people, all of them in each of twenty groups."""
    world.people(*EVERYBODY, title="Cook")
    for number in range(20):
        world.group(f"g{number:02}", *EVERYBODY)
    world.directory.page_size = 50
    world.target(**target)  # type: ignore[arg-type]
    world.synced()


def held(world: World) -> TargetReport:
    """A run that is held, and changes nothing in the target."""
    before = dict(world.store.users), dict(world.store.groups), set(world.store.memberships)
    report = world.run()
    assert report.status == "held"
    [target] = report.targets
    assert target.held
    assert target.counts == Counts()
    assert (world.store.users, world.store.groups, world.store.memberships) == before
    return target


def test_what_a_plan_would_do_beyond_the_limits_is_told_in_percent_and_numbers(world: World) -> None:
    company(world, guard=Guard(), delete_after=AT_ONCE)
    world.leave(*EVERYBODY[:38])
    world.people("new")
    target = held(world)
    assert target.guard == [
        Passed("deletes", "10%", "38% (38 of 100)"),
        Passed("member_removals", "30%", "38% (760 of 2000)"),
    ]
    assert (target.planned.users.create, target.planned.users.delete) == (1, 38)


def test_deactivations_have_a_limit_of_their_own(world: World) -> None:
    company(world, guard=Guard(deactivations=Limit(10, True), member_removals=NO_LIMITS.member_removals))
    world.leave(*EVERYBODY[:11])
    assert held(world).guard == [Passed("deactivations", "10%", "11% (11 of 100)")]


def test_a_percentage_of_active_people_does_not_count_those_who_left_before(world: World) -> None:
    company(world, guard=NO_LIMITS)
    world.leave(*EVERYBODY[:50])
    world.synced()
    world.target(guard=Guard(deactivations=Limit(20, True), member_removals=NO_LIMITS.member_removals))
    world.leave(*EVERYBODY[50:61])
    assert held(world).guard == [Passed("deactivations", "20%", "22% (11 of 50)")]


def test_a_limit_may_be_a_number(world: World) -> None:
    guard = Guard(deactivations=Limit(12, False), member_removals=NO_LIMITS.member_removals)
    company(world, guard=guard)
    world.leave(*EVERYBODY[:12])
    assert world.synced().counts.users.deactivate == 12
    world.leave(*EVERYBODY[12:25])
    assert held(world).guard == [Passed("deactivations", "12", "15% (13 of 88)")]


def test_below_at_least_nothing_is_held(world: World) -> None:
    strict = Guard(Limit(0, True), Limit(0, True), Limit(0, True), at_least=10)
    world.people(*EVERYBODY[:9])
    world.target(guard=strict)
    world.synced()
    world.leave(*EVERYBODY[:9])
    assert world.synced().counts.users.deactivate == 9
    world.people(*EVERYBODY[:10])
    world.synced()
    world.leave(*EVERYBODY[:10])
    assert held(world).guard == [Passed("deactivations", "0%", "100% (10 of 10)")]


def test_the_memberships_of_deleted_groups_count_as_removals(world: World) -> None:
    company(world, guard=Guard(deletes=NO_LIMITS.deletes))
    world.leave(*(f"g{number:02}" for number in range(7)), kind=Kind.GROUP)
    assert held(world).guard == [Passed("member_removals", "30%", "35% (700 of 2000)")]


def test_groups_are_held_against_their_own_number(world: World) -> None:
    """Eleven of twenty groups are few among a hundred and twenty records."""
    company(world, guard=Guard(deletes=Limit(50, True), member_removals=NO_LIMITS.member_removals))
    world.leave(*(f"g{number:02}" for number in range(11)), kind=Kind.GROUP)
    assert held(world).guard == [Passed("deletes", "50%", "55% (11 of 20)")]


def test_a_rule_that_suddenly_fits_nobody_is_held_too(world: World) -> None:
    company(world, guard=Guard())
    world.target(guard=Guard(), users=rules('user.title == "Cok"'))
    assert [limit.limit for limit in held(world).guard] == ["deactivations", "member_removals"]


def test_a_held_plan_is_planned_again_and_delivered_once_the_limits_are_raised(world: World) -> None:
    company(world, guard=Guard())
    world.leave(*EVERYBODY[:40])
    plans = {held(world).plan for _ in range(3)}
    assert len(plans) == 1
    world.target(guard=NO_LIMITS)
    target = world.synced()
    assert target.plan in plans
    assert target.counts.users.deactivate == 40
    assert {key for key, shape in world.held().items() if shape["active"] is False} == set(EVERYBODY[:40])


def test_a_held_plan_is_gone_when_the_directory_is_whole_again(world: World) -> None:
    company(world, guard=Guard())
    world.leave(*EVERYBODY[:40])
    held(world)
    company(world, guard=Guard())
    assert world.plan().targets[0].planned.total == 0
