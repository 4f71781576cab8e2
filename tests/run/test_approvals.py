"""A person approves exactly the harmful changes that are held, once."""

from __future__ import annotations

import pytest

from tests.run.guarded import (
    AT_ONCE,
    EVERYBODY,
    FORTY,
    TWENTY,
    company,
    forty,
    held,
    identities,
    inactive,
    later,
    stored,
    undelivered,
)
from tests.run.items import NOON
from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.model import Constant, Guard, Limit, Rule
from usersyncd.core.report import Approval, Violation
from usersyncd.errors import Place
from usersyncd.plugin import Kind
from usersyncd.state.approvals import decide, held_shares, open_decisions

__all__ = ["forty"]

pytestmark = ON_SQLITE


# ---- what is held


def test_held_changes_are_stored_by_kind_id_and_operation(forty: World) -> None:
    assert identities(forty) == [f'["user","{id_}","deactivate"]' for id_ in FORTY]
    with forty.database.read() as connection:
        [share] = held_shares(connection)
    assert share.hash == held(forty).harm
    assert (share.since, share.first, share.share.directory_name) == (NOON, False, "acme")
    assert len(list(share.changes())) == 40


def test_held_changes_are_dropped_when_the_people_are_back(forty: World) -> None:
    forty.people(*FORTY, title="Cook")
    forty.synced()
    assert identities(forty) == []


def test_the_hash_is_equal_for_equal_changes_of_one_target(world: World) -> None:
    company(world, guard=Guard(member_removals=None))
    world.target("crm", guard=Guard(member_removals=None))
    world.run()
    world.leave(*FORTY)
    app, crm = world.run().targets
    assert app.harm not in (None, crm.harm)
    world.people("new")
    assert [target.harm for target in world.run().targets] == [app.harm, crm.harm], (
        "a new user does not count as harmful"
    )
    world.leave(EVERYBODY[40])
    assert world.run().targets[0].harm not in (None, app.harm)


def test_a_plan_reports_the_hash_and_stores_nothing(world: World) -> None:
    company(world, guard=Guard(member_removals=None))
    world.leave(*FORTY)
    harm = world.plan().targets[0].harm
    assert identities(world) == []
    assert held(world).harm == harm
    company(world, guard=Guard(member_removals=None))
    assert world.plan().targets[0].harm is None


def test_values_and_moments_are_not_part_of_what_is_approved(world: World) -> None:
    moment: dict[str, Rule | Constant] = {"title": Rule("now()", Place("config.yaml", 9))}
    users = rules(None, "uid", uid="user.id", title="user.title")
    world.now = NOON
    company(world, guard=Guard(member_removals=None), leaving=moment, users=users)
    world.leave(*FORTY)
    held(world)
    world.decide()
    later(world, 1)
    assert world.synced().counts.users.deactivate == 40


# ---- approved


def test_approved_changes_are_let_through_once(forty: World) -> None:
    forty.decide(reason="the plant closed")
    target = forty.synced()
    assert target.counts.users.deactivate == 40
    assert target.approved == [Approval("ann", NOON.isoformat(), "the plant closed", 40)]
    assert (target.guard, target.harm, stored(forty), undelivered(forty)) == ([], None, set(), set())
    assert identities(forty) == []
    forty.people(*FORTY, title="Cook")
    assert held(forty).guard == [Violation("reactivations", "10%", "100% (40 of 40)")]


def test_an_approval_does_not_count_twice(forty: World) -> None:
    """They come back and leave again within the day."""
    forty.decide()
    forty.synced()
    forty.people(*FORTY, title="Cook")
    held(forty)
    forty.decide()
    assert forty.synced().counts.users.reactivate == 40
    forty.leave(*FORTY)
    assert held(forty).guard == [Violation("deactivations", "10%", "40% (40 of 100)")]


def test_an_approved_change_that_is_not_planned_any_more_is_dropped(forty: World) -> None:
    forty.decide()
    forty.people(*FORTY[:30], title="Cook")
    forty.store.faults.refuse = {FORTY[39]}
    assert forty.run().targets[0].counts.users.deactivate == 9
    assert undelivered(forty) == {f'["user","{FORTY[39]}","deactivate"]'}, "it is tried again"
    forty.store.faults.refuse = set()
    assert forty.synced().counts.users.deactivate == 1
    forty.leave(*FORTY[:30])
    assert held(forty).guard[0].found == "33% (30 of 90)"


def test_the_guard_covers_changes_that_are_not_approved(forty: World) -> None:
    forty.decide()
    forty.leave(*EVERYBODY[40:49])
    assert forty.synced().counts.users.deactivate == 49
    assert stored(forty) == {("deactivations", id_) for id_ in EVERYBODY[40:49]}


def test_new_changes_beyond_the_limit_hold_the_approved_ones_too(forty: World) -> None:
    forty.decide()
    forty.leave(*EVERYBODY[40:55])
    target = held(forty)
    assert target.guard == [Violation("deactivations", "10%", "15% (15 of 100)")]
    assert identities(forty) == [f'["user","{id_}","deactivate"]' for id_ in EVERYBODY[40:55]]
    assert len(undelivered(forty)) == 40
    forty.decide(by="bob")
    target = forty.synced()
    assert target.counts.users.deactivate == 55
    assert [(one.by, one.changes) for one in target.approved] == [("ann", 40), ("bob", 15)]


def test_an_approval_does_not_cover_another_operation_on_the_same_user(forty: World) -> None:
    forty.decide()
    forty.target(guard=Guard(member_removals=None), delete_after=AT_ONCE)
    assert held(forty).guard == [Violation("deletes", "10%", "40% (40 of 100)")]


def test_an_approval_does_not_cover_another_emptied_attribute(world: World) -> None:
    for id_ in EVERYBODY:
        world.user(id_, title="Cook", department="Kitchen")
    world.target(guard=Guard())
    world.synced()
    for id_ in EVERYBODY[:40]:
        world.user(id_, department="Kitchen")
    held(world)
    world.decide()
    for id_ in EVERYBODY[:40]:
        world.user(id_, title="Cook")
    assert held(world).guard == [Violation("blanked", "30%", "40% (40 of 100 that had department)")]
    for id_ in EVERYBODY[:40]:
        world.user(id_, department="Bar")
    held(world)
    world.decide()
    assert world.synced().counts.users.update == 40, "another department empties nothing"


def test_removed_members_are_approved_one_by_one(world: World) -> None:
    company(world, TWENTY, 10, guard=Guard(member_removals=Limit(10, True)))
    world.group("g00")
    world.group("g01")
    assert held(world).guard == [Violation("member_removals", "10%", "20% (40 of 200)")]
    assert '["group","g00","remove"]' in identities(world), "it is emptied"
    assert '["group","g00","remove","user","u000"]' in identities(world)
    world.decide()
    world.group("g00", *TWENTY[:10])
    world.group("g04", *TWENTY[3:])
    assert world.synced().counts.memberships.remove == 33
    assert stored(world) == {("member_removals", "g04", 3)}
    assert undelivered(world) == set()


def test_an_approval_is_for_one_target(world: World) -> None:
    company(world, guard=Guard(member_removals=None))
    world.target("crm", guard=Guard(member_removals=None))
    world.run()
    world.leave(*FORTY)
    world.run()
    world.decide("app")
    assert {target.target: target.held for target in world.run().targets} == {"app": False, "crm": True}
    assert (inactive(world), inactive(world, "crm")) == (set(FORTY), set())


def test_an_approval_is_for_one_directory_of_a_target(world: World) -> None:
    """The records of both have the same ids, and both are in one plan."""
    other = World(world.folder, state=world.url)
    other.name, other.stores = "beta", world.stores
    world.beside, other.beside = [other], [world]
    for one in (world, other):
        one.people(*TWENTY)
        one.target(guard=Guard())
    for one in (world, other):
        one.synced()
        one.leave(*TWENTY[:12])
    assert {world.run().status, other.run().status} == {"held"}
    world.decide()
    shares = world.deliver().targets
    assert {share.directory: share.held for share in shares} == {"acme": False, "beta": True}
    gone = {(one.directory, one.key) for one in world.store.users.values() if one.attributes["active"] is False}
    assert gone == {("acme", id_) for id_ in TWENTY[:12]}
    other.database.close()


@pytest.mark.parametrize("hours", [24, -24, 9600])
def test_an_approval_ends_after_a_day_whatever_the_clock_says(forty: World, hours: float) -> None:
    forty.decide()
    later(forty, hours)
    held(forty)
    assert undelivered(forty) == set()


def test_an_approval_counts_for_a_day(forty: World) -> None:
    forty.decide()
    later(forty, 23.9)
    assert forty.synced().counts.users.deactivate == 40


def test_the_last_decision_of_two_admins_counts(forty: World) -> None:
    forty.decide(by="ann")
    forty.decide(by="bob", approved=False)
    assert forty.synced().rejected == 40
    assert inactive(forty) == set()
    with forty.database.read() as connection:
        [one] = open_decisions(connection, NOON)
    assert (one.decision.by, one.decision.approved, len(one.identities)) == ("bob", False, 40)


def test_approved_twice_is_approved_once(forty: World) -> None:
    forty.decide(by="ann")
    forty.decide(by="bob")
    assert [(one.by, one.changes) for one in forty.synced().approved] == [("bob", 40)]


def test_approved_changes_that_were_not_delivered_stay_approved_after_a_crash(forty: World) -> None:
    forty.decide()
    forty.store.faults.die_after = 15
    assert forty.run().status == "failed"
    forty.store.faults.die_after = None
    assert forty.synced().counts.users.deactivate > 0
    assert inactive(forty) == set(FORTY)
    assert (stored(forty), undelivered(forty)) == (set(), set())


def test_approved_changes_found_written_later_do_not_count(forty: World) -> None:
    forty.group("g00")
    forty.target(guard=Guard(member_removals=None, emptied=None))
    held(forty)
    forty.decide()
    forty.store.faults.die_after_commit = True
    assert forty.run().status == "failed"
    forty.store.faults.die_after_commit = False
    forty.synced()
    assert (stored(forty), undelivered(forty)) == (set(), set())


def test_an_approval_follows_a_directory_that_is_renamed(forty: World) -> None:
    forty.decide()
    forty.was, forty.name = forty.name, "people"
    forty.target(guard=Guard(member_removals=None))
    assert forty.synced().counts.users.deactivate == 40


def test_missing_objects_are_created_after_an_approval(world: World) -> None:
    world.people(*EVERYBODY)
    world.target(guard=Guard())
    world.synced()
    for target_id in list(world.store.users)[:40]:
        world.store.delete(Kind.USER, target_id)
    report = world.run(verify=True)
    assert [limit.limit for limit in report.targets[0].guard] == ["missing"]
    assert identities(world)[0] == '["user","u000","create"]'
    world.decide()
    assert world.synced().counts.users.create == 40, "the next run verifies by itself"
    assert undelivered(world) == set()


def test_an_approval_of_what_is_no_longer_held_ends(forty: World) -> None:
    with forty.database.read() as connection:
        [share] = held_shares(connection)
    forty.people(*FORTY, title="Cook")
    forty.synced()
    with forty.database.write() as connection:
        decide(connection, share, approved=True, by="ann", reason=None, now=NOON)
    forty.deliver(cause="approval")
    assert undelivered(forty) == set()
    later(forty, 1)
    forty.leave(*FORTY)
    held(forty)
