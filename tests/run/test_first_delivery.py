"""``deliver: after_approval``: the first delivery of a directory to a target waits for an approval."""

from __future__ import annotations

from typing import Any

from tests.run.guarded import EVERYBODY, identities, undelivered
from tests.run.world import NO_LIMITS, ON_SQLITE, World
from usersyncd.core.approvals import first_delivery
from usersyncd.core.report import TargetReport, Violation
from usersyncd.state.approvals import held_shares

pytestmark = ON_SQLITE


def first(world: World, **asked: Any) -> TargetReport:
    report = world.run(**asked)
    assert report.status == "held"
    return report.targets[0]


def test_a_first_delivery_may_be_held_until_it_is_approved(world: World) -> None:
    world.people(*EVERYBODY[:3])
    world.group("g", *EVERYBODY[:3])
    world.target(guard=NO_LIMITS, after_approval=True)
    target = first(world)
    assert target.guard == [Violation("first_delivery", "after approval", "7 changes")]
    assert world.held() == {}
    assert identities(world) == [first_delivery(target.plan or "")]
    with world.database.read() as connection:
        [share] = held_shares(connection)
    assert (share.first, len(list(share.changes()))) == (True, 5)
    world.decide()
    world.people("new")
    assert first(world).guard[0].found == "8 changes"
    world.decide()
    target = world.synced()
    assert (target.counts.users.create, [one.changes for one in target.approved]) == (4, [1])
    world.people("newer")
    assert world.synced().counts.users.create == 1
    assert undelivered(world) == set()


def test_a_directory_without_people_is_held_too(world: World) -> None:
    world.target(guard=NO_LIMITS, after_approval=True)
    assert first(world).guard[0].found == "0 changes"
    world.people("new")
    assert first(world).guard[0].found == "1 change"


def test_after_approval_does_not_hold_a_directory_that_was_delivered_before(world: World) -> None:
    world.people("u1")
    world.synced()
    world.target(guard=NO_LIMITS, after_approval=True)
    world.people("u2")
    assert world.synced().counts.users.create == 1


def test_a_first_delivery_that_was_interrupted_stays_approved(world: World) -> None:
    world.people(*EVERYBODY)
    world.target(guard=NO_LIMITS, after_approval=True)
    first(world)
    world.decide()
    world.store.faults.die_after = 50
    assert world.run().status == "failed"
    world.store.faults.die_after = None
    world.synced()
    assert set(world.held()) == set(EVERYBODY)
