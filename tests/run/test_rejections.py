"""A person rejects harmful changes that are held: they are left out, and the rest is delivered."""

from __future__ import annotations

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
    undelivered,
)
from tests.run.items import NOON
from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Skipped, Violation
from usersyncd.plugin import Kind
from usersyncd.state.approvals import decide, held_shares

__all__ = ["forty"]

pytestmark = ON_SQLITE


def test_rejected_changes_are_left_out_and_the_rest_is_delivered(forty: World) -> None:
    forty.people("new")
    forty.people(EVERYBODY[50], title="Chef")
    forty.decide(approved=False)
    target = forty.synced()
    assert (target.counts.users.create, target.counts.users.update, target.counts.users.deactivate) == (1, 1, 0)
    assert (target.rejected, target.held, target.guard) == (40, False, [])
    assert target.skipped[0] == Skipped(Kind.USER, "u000", "rejected by ann on 2026-03-01: deactivate")
    assert inactive(forty) == set()
    assert len(forty.members()["g00"]) == 100, "who stays keeps the memberships"


def test_a_rejection_lasts_as_long_as_the_change_is_planned(forty: World) -> None:
    forty.decide(approved=False)
    for hours in (1, 30):
        later(forty, hours)
        assert forty.synced().rejected == 40
    forty.leave(EVERYBODY[40])
    assert forty.synced().counts.users.deactivate == 1, "it is counted alone"
    assert inactive(forty) == {EVERYBODY[40]}
    forty.people(*FORTY[:20], title="Cook")
    assert forty.synced().rejected == 20
    forty.leave(*FORTY[:20])
    assert held(forty).guard[0].found == "21% (21 of 100, 1 of them in earlier runs)"


def test_a_rejected_change_that_differs_is_judged_again(forty: World) -> None:
    forty.decide(approved=False)
    forty.synced()
    forty.target(guard=Guard(member_removals=None), delete_after=AT_ONCE)
    assert held(forty).guard == [Violation("deletes", "10%", "40% (40 of 100)")]


def test_rejected_changes_may_be_approved_later(forty: World) -> None:
    forty.decide(approved=False)
    with forty.database.read() as connection:
        [share] = held_shares(connection)
    forty.synced()
    with forty.database.write() as connection:
        decide(connection, share, approved=True, by="bob", reason=None, now=NOON)
    assert forty.synced().counts.users.deactivate == 40


def test_rejected_removals_keep_the_members_and_the_group(world: World) -> None:
    company(world, TWENTY, 10, guard=Guard(member_removals=Limit(5, True), emptied=None))
    world.leave("g00", kind=Kind.GROUP)
    world.group("g01")
    world.group("g02", *TWENTY[1:])
    world.group("g03", *TWENTY, "new")
    world.people("new")
    assert held(world).guard[0].limit == "member_removals"
    world.decide(approved=False)
    target = world.synced()
    assert (target.counts.memberships.remove, target.counts.memberships.add, target.counts.groups.delete) == (0, 1, 0)
    assert target.rejected == 42
    assert world.synced().rejected == 42
    assert len(world.members()["g00"]) == 20
    assert world.plan().targets[0].planned.total == 0
    world.leave("g05", kind=Kind.GROUP)
    assert held(world).guard[0].found == "10% (20 of 201)"


def test_a_rejected_member_removal_leaves_the_other_members_of_the_change(world: World) -> None:
    company(world, TWENTY, guard=Guard(member_removals=Limit(2, True), emptied=None))
    world.group("g00", *TWENTY[10:])
    held(world)
    world.decide(approved=False)
    world.group("g00", *TWENTY[12:])
    target = world.synced()
    assert (target.rejected, target.counts.memberships.remove) == (10, 2)
    assert world.members()["g00"] == {*TWENTY[:10], *TWENTY[12:]}


def test_a_deleted_user_leaves_groups_whose_removals_were_rejected_and_that_counts(world: World) -> None:
    guard = Guard(member_removals=Limit(5, True), deletes=None, deactivations=None, emptied=None, at_least=2)
    company(world, TWENTY, 2, guard=guard, delete_after=AT_ONCE)
    world.leave("g00", kind=Kind.GROUP)
    held(world)
    world.decide(approved=False)
    assert world.synced().rejected == 20
    world.leave("u000", "u001")
    assert held(world).guard == [Violation("member_removals", "5%", "10% (4 of 40)")]
    world.decide()
    assert world.synced().counts.users.delete == 2
    assert world.members() == {"g00": {*TWENTY[2:]}, "g01": {*TWENTY[2:]}}


def test_a_rejected_adoption_leaves_the_leaver_to_the_guard(world: World) -> None:
    """The ids changed, and each new id would adopt a leaver's account. Without the adoption, the leavers leave."""
    users = rules(None, "email", email="user.email")
    world.target(guard=Guard(adoptions=Limit(10, True)), users=users)
    for id_ in EVERYBODY[:40]:
        world.user(id_, email=f"{id_}@x")
    world.synced()
    for id_ in EVERYBODY[:12]:
        world.leave(id_)
        world.user(f"new-{id_}", email=f"{id_}@x")
    target = held(world)
    assert [limit.limit for limit in target.guard] == ["adoptions"]
    target_id = next(target_id for target_id, one in world.store.users.items() if one.key == "u000@x")
    assert f'["user","new-u000","adopt","{target_id}"]' in identities(world)
    world.decide(approved=False)
    target = held(world)
    assert (target.rejected, target.guard[0].limit, target.planned.users.deactivate) == (12, "deactivations", 12)
    assert target.planned.users.adopt == 0


def test_a_record_that_fails_does_not_end_its_rejection(world: World) -> None:
    """A rule fails for those who came back inactive; they are planned again when it is right."""
    world.people(*EVERYBODY, active=True, title="Cook")
    world.target(guard=Guard())
    world.synced()
    world.people(*FORTY, active=False, title="Cook")
    held(world)
    world.decide(approved=False)
    assert world.synced().rejected == 40
    world.target(guard=Guard(), users=rules("user.active || int(user.title) > 0"))
    report = world.run()
    assert (report.status, report.targets[0].failures) == ("partial", 40)
    assert len(undelivered(world)) == 40
    world.target(guard=Guard())
    assert world.synced().rejected == 40


def test_a_rejection_does_not_cover_a_departure_after_it(world: World) -> None:
    world.now = NOON
    where = "user.title != 'left out'"
    world.target(users=rules(where, "uid", uid="user.id"), guard=Guard())
    world.people(*EVERYBODY, title="Cook")
    world.synced()
    world.people(*TWENTY, title="left out")
    held(world)
    world.decide(approved=False)
    later(world, 1)
    assert world.synced().rejected == 20
    later(world, 1)
    world.leave(*TWENTY)
    assert held(world).guard[0].limit == "deactivations"


def test_an_approval_does_not_cover_a_departure_after_it(forty: World) -> None:
    """The target was down while they were back."""
    forty.decide()
    forty.store.faults.down = True
    later(forty, 1)
    forty.people(*FORTY, title="Cook")
    forty.run()
    later(forty, 1)
    forty.leave(*FORTY)
    forty.run()
    forty.store.faults.down = False
    held(forty)
