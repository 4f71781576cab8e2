"""A plan that exceeds a limit is held: nothing of it is delivered until the directory or the limits change."""

from __future__ import annotations

import pytest

from tests.run.guarded import AT_ONCE, EVERYBODY, company, held, later, stored
from tests.run.items import NOON
from tests.run.world import NO_LIMITS, World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Violation
from usersyncd.plugin import Kind

NONE = Limit(0, True)


def test_a_violation_is_reported_in_percent_and_numbers(world: World) -> None:
    company(world, groups=20, guard=Guard(), delete_after=AT_ONCE)
    world.leave(*EVERYBODY[:38])
    world.people("new")
    target = held(world)
    assert target.guard == [
        Violation("deletes", "10%", "38% (38 of 100)"),
        Violation("member_removals", "30%", "38% (760 of 2000)"),
    ]
    assert (target.planned.users.create, target.planned.users.delete) == (1, 38)


def test_deactivations_have_a_limit_of_their_own(world: World) -> None:
    company(world, groups=20, guard=Guard(deactivations=Limit(10, True), member_removals=None, emptied=None))
    world.leave(*EVERYBODY[:11])
    assert held(world).guard == [Violation("deactivations", "10%", "11% (11 of 100)")]


def test_a_percentage_of_active_people_does_not_count_those_who_left_before(world: World) -> None:
    company(world, groups=20, guard=NO_LIMITS)
    world.leave(*EVERYBODY[:50])
    world.synced()
    world.target(guard=Guard(deactivations=Limit(20, True), member_removals=None, emptied=None))
    world.leave(*EVERYBODY[50:61])
    assert held(world).guard == [Violation("deactivations", "20%", "22% (11 of 50)")]


def test_a_limit_may_be_a_number(world: World) -> None:
    guard = Guard(deactivations=Limit(12, False), member_removals=None, emptied=None)
    company(world, groups=20, guard=guard)
    world.leave(*EVERYBODY[:12])
    assert world.synced().counts.users.deactivate == 12
    world.leave(*EVERYBODY[12:25])
    assert held(world).guard == [Violation("deactivations", "12", "25% (25 of 100, 12 of them in earlier runs)")]


def test_below_at_least_nothing_is_held(world: World) -> None:
    strict = Guard(deletes=NONE, deactivations=NONE, member_removals=NONE, reactivations=NONE)
    world.people(*EVERYBODY[:9])
    world.target(guard=strict)
    world.synced()
    world.leave(*EVERYBODY[:9])
    assert world.synced().counts.users.deactivate == 9
    world.people(*EVERYBODY[:10])
    world.synced()
    world.leave(*EVERYBODY[:10])
    assert held(world).guard == [Violation("deactivations", "0%", "100% (10 of 10)")]


def test_the_memberships_of_deleted_groups_count_as_removals(world: World) -> None:
    company(world, groups=20, guard=Guard(deletes=None))
    world.leave(*(f"g{number:02}" for number in range(7)), kind=Kind.GROUP)
    assert held(world).guard == [Violation("member_removals", "30%", "35% (700 of 2000)")]


def test_deleted_groups_are_compared_with_the_number_of_groups(world: World) -> None:
    """Eleven of twenty groups are few among a hundred and twenty records."""
    company(world, groups=20, guard=Guard(deletes=Limit(50, True), member_removals=None, emptied=None))
    world.leave(*(f"g{number:02}" for number in range(11)), kind=Kind.GROUP)
    assert held(world).guard == [Violation("deletes", "50%", "55% (11 of 20)")]


def test_a_where_rule_that_suddenly_excludes_every_user_is_held(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.target(guard=Guard(), users=rules('user.title == "Cok"'))
    assert [limit.limit for limit in held(world).guard] == ["deactivations", "member_removals", "emptied"]


def test_a_held_plan_is_planned_again_and_delivered_once_the_limits_are_raised(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.leave(*EVERYBODY[:40])
    plans = {held(world).plan for _ in range(3)}
    assert len(plans) == 1
    world.target(guard=NO_LIMITS)
    target = world.synced()
    assert target.plan in plans
    assert target.counts.users.deactivate == 40
    assert {key for key, shape in world.held().items() if shape["active"] is False} == set(EVERYBODY[:40])


def test_a_held_plan_is_dropped_when_the_people_are_back(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.leave(*EVERYBODY[:40])
    held(world)
    company(world, groups=20, guard=Guard())
    assert world.plan().targets[0].planned.total == 0


# ---- together with the runs before


def test_repeated_removals_below_the_limit_are_held_in_the_end(world: World) -> None:
    people = [f"p{number:03}" for number in range(300)]
    world.people(*people)
    world.target(guard=Guard())
    world.now = NOON
    world.synced()
    reports = []
    for number in range(12):
        world.leave(*people[number * 9 : number * 9 + 9])
        later(world, 0.25)
        reports.append(world.run().status)
    assert reports == ["succeeded"] * 3 + ["held"] * 9
    assert sum(shape["active"] for shape in world.held().values()) == 273


def test_a_share_just_over_a_limit_is_not_rounded_down_to_it(world: World) -> None:
    people = [f"p{number:03}" for number in range(115)]
    world.people(*people)
    world.target(guard=Guard())
    world.synced()
    world.leave(*people[:12])
    assert held(world).guard[0].found == "10.4% (12 of 115)"


def test_a_normal_number_of_leavers_is_delivered_every_day(world: World) -> None:
    company(world, groups=20, guard=Guard(at_least=2, member_removals=None))
    world.now = NOON
    for number in range(0, 20, 5):
        world.leave(*EVERYBODY[number : number + 5])
        world.synced()
        later(world, 12)
        world.synced()
        later(world, 12)
        world.synced()


def test_harm_of_earlier_runs_stops_counting_after_the_window(world: World) -> None:
    company(world, groups=20, guard=Guard(member_removals=None))
    world.now = NOON
    world.leave(*EVERYBODY[:10])
    world.synced()
    assert stored(world) == {("deactivations", id_) for id_ in EVERYBODY[:10]}
    world.leave(*EVERYBODY[10:19])
    for _ in range(2):
        later(world, 11)
        assert held(world).guard[0].found == "19% (19 of 100, 10 of them in earlier runs)"
    later(world, 2)
    assert world.synced().counts.users.deactivate == 9
    assert stored(world) == {("deactivations", id_) for id_ in EVERYBODY[10:19]}


def test_the_oldest_run_of_the_window_counts(world: World) -> None:
    world.now = NOON
    company(world, groups=20, guard=Guard(member_removals=None))
    later(world, 3)
    world.leave(*EVERYBODY[:10])
    world.synced()
    later(world, 11)
    world.synced()
    later(world, 11)
    world.leave(*EVERYBODY[10:19])
    assert held(world).guard[0].found == "19% (19 of 100, 10 of them in earlier runs)"


def test_only_harm_older_than_the_window_stops_counting(world: World) -> None:
    world.now = NOON
    company(world, groups=20, guard=Guard(member_removals=None))
    world.leave(*EVERYBODY[:2])
    world.synced()
    later(world, 12)
    world.leave(*EVERYBODY[2:4])
    world.synced()
    for _ in range(2):
        later(world, 7)
        world.synced()
    assert stored(world) == {("deactivations", id_) for id_ in EVERYBODY[2:4]}


def test_another_change_does_not_undo_a_harm(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.people(EVERYBODY[0])
    world.synced()
    world.people(EVERYBODY[0], department="Kitchen")
    world.synced()
    assert stored(world) == {("blanked title", EVERYBODY[0])}


@pytest.mark.parametrize("wrong", [9600, -9600])
def test_a_clock_that_is_wrong_once_neither_empties_the_window_nor_keeps_it_full(world: World, wrong: int) -> None:
    company(world, groups=20, guard=Guard(member_removals=None))
    world.now = NOON
    world.leave(*EVERYBODY[:10])
    world.synced()
    later(world, wrong)
    world.synced()
    later(world, 1 - wrong)
    world.leave(*EVERYBODY[10:19])
    held(world)
    later(world, 10)
    held(world)
    later(world, 10)
    world.synced()


def test_a_leaver_who_returns_is_not_counted_any_more(world: World) -> None:
    """A pull misses ten people, and the next one has them again. They do not count against people who leave later, and
    their return does not count as reactivations."""
    company(world, groups=20, guard=Guard(member_removals=None, at_least=1))
    world.leave(*EVERYBODY[:10])
    world.synced()
    assert len(stored(world)) == 10
    world.people(*EVERYBODY[:10], title="Cook")
    world.leave(*EVERYBODY[50:60])
    assert world.synced().counts.users.reactivate == 10
    assert stored(world) == {("deactivations", id_) for id_ in EVERYBODY[50:60]}


def test_a_deleted_user_who_returns_is_not_counted_any_more(world: World) -> None:
    company(world, groups=20, guard=Guard(member_removals=None), delete_after=AT_ONCE)
    world.leave(*EVERYBODY[:10])
    world.synced()
    assert stored(world) == {("deletes", id_) for id_ in EVERYBODY[:10]}
    world.people(*EVERYBODY[:10])
    world.leave(*EVERYBODY[50:60])
    world.synced()
    assert stored(world) == {("deletes", id_) for id_ in EVERYBODY[50:60]}


def test_a_leaver_whose_account_is_adopted_is_not_counted_any_more(world: World) -> None:
    """The account is in use again, so another one may leave."""
    users = rules(None, "email", email="user.email")
    world.target(guard=Guard(at_least=1, deactivations=Limit(1, False)), users=users)
    for id_ in EVERYBODY[:10]:
        world.user(id_, email=f"{id_}@x")
    world.synced()
    world.leave("u000")
    world.synced()
    assert stored(world) == {("deactivations", "u000")}
    world.user("new", email="u000@x")
    world.leave("u001")
    counts = world.synced(adopt=frozenset({"new"})).counts.users
    assert (counts.adopt, counts.deactivate) == (1, 1)
    assert stored(world) == {("deactivations", "u001")}


def test_members_who_were_removed_count_until_they_are_added_again(world: World) -> None:
    company(world, groups=20, guard=Guard(member_removals=Limit(30, True)))
    world.group("g00", *EVERYBODY[50:])
    world.group("g01", *EVERYBODY[:5])
    world.synced()
    world.group("g00", *EVERYBODY[10:])
    world.synced()
    assert stored(world) == {("member_removals", "g00", 10), ("member_removals", "g01", 95)}
    for number in range(2, 7):
        world.group(f"g{number:02}")
    assert held(world).guard == [
        Violation("member_removals", "30%", "30.2% (605 of 2000, 105 of them in earlier runs)")
    ]


def test_emptied_groups_are_held_and_count_until_they_have_members_again(world: World) -> None:
    company(world, groups=20, guard=Guard(emptied=Limit(10, True), member_removals=None, at_least=2))
    world.group("g00")
    world.group("g01")
    world.synced()
    assert stored(world) == {("emptied", "g00"), ("emptied", "g01")}
    world.group("g02")
    assert held(world).guard == [Violation("emptied", "10%", "15% (3 of 20, 2 of them in earlier runs)")]
    world.group("g00", "u001")
    world.synced()
    assert stored(world) == {("emptied", "g01"), ("emptied", "g02")}
    world.leave("g01", kind=Kind.GROUP)
    world.target(guard=Guard(emptied=Limit(10, True), member_removals=None, deletes=None))
    world.synced()
    assert stored(world) == {("emptied", "g02")}


def test_a_group_whose_members_are_exchanged_is_not_emptied(world: World) -> None:
    company(world, groups=20, guard=Guard(emptied=NONE, member_removals=None, at_least=1))
    world.people("new")
    world.group("g00", "new")
    world.synced()
    assert stored(world) == set()


def test_a_group_that_is_deleted_is_not_emptied(world: World) -> None:
    company(world, groups=20, guard=Guard(emptied=NONE, member_removals=None, deletes=None, at_least=1))
    world.leave("g00", kind=Kind.GROUP)
    world.synced()
    assert stored(world) == set()


def test_an_attribute_that_is_emptied_is_held(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.people(*EVERYBODY[:30])
    world.synced()
    assert stored(world) == {("blanked title", id_) for id_ in EVERYBODY[:30]}
    world.people(*EVERYBODY[30:32])
    assert held(world).guard == [
        Violation("blanked", "30%", "32% (32 of 100 that had title, 30 of them in earlier runs)")
    ]
    world.people(EVERYBODY[0], title="Chef")
    world.people(EVERYBODY[30], title="Chef")
    world.synced()
    assert stored(world) == {("blanked title", id_) for id_ in (*EVERYBODY[1:30], EVERYBODY[31])}


def test_reactivations_are_compared_with_the_inactive_users(world: World) -> None:
    world.people(*EVERYBODY[:60], active=True)
    world.people(*EVERYBODY[60:], active=False)
    world.target(guard=Guard())
    world.synced()
    world.people(*EVERYBODY, active=True)
    assert held(world).guard == [Violation("reactivations", "10%", "100% (40 of 40)")]


def test_updates_are_limited_only_when_asked_for(world: World) -> None:
    company(world, groups=20, guard=Guard())
    world.people(*EVERYBODY, title="Boss")
    assert world.synced().counts.users.update == 100
    assert stored(world) == set()
    world.target(guard=Guard(updates=Limit(30, True)))
    world.people(*EVERYBODY[:30], title="Cook")
    world.synced()
    world.people(*EVERYBODY[29:31], title="Chef")
    assert held(world).guard == [Violation("updates", "30%", "31% (31 of 100, 29 of them in earlier runs)")]


def test_each_target_has_a_window_of_its_own(world: World) -> None:
    company(world, groups=20, guard=Guard(member_removals=None))
    world.target("crm", guard=Guard(member_removals=None, deactivations=None))
    world.run()
    world.leave(*EVERYBODY[:10])
    world.run()
    world.leave(*EVERYBODY[10:20])
    assert {target.target: target.held for target in world.run().targets} == {"app": True, "crm": False}


# ---- what was never answered


def test_unanswered_changes_count(world: World) -> None:
    """Without groups: the target would fail at the removals, which are sent first."""
    world.people(*EVERYBODY)
    world.target(guard=Guard())
    world.synced()
    world.leave(*EVERYBODY[:10])
    world.store.faults.die_after_commit = True
    assert world.run().status == "failed"
    world.store.faults.die_after_commit = False
    world.synced()
    assert stored(world) == {("deactivations", id_) for id_ in EVERYBODY[:10]}
