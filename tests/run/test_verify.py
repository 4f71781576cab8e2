"""A verification finds and corrects what was changed in a target, and changes nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.config import Complete
from usersyncd.core.listed_changes import ListedChanges
from usersyncd.core.model import DriftPolicy, Guard
from usersyncd.core.protection import protected_keys
from usersyncd.core.report import TargetReport, Verified
from usersyncd.plugin import Kind

BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName", title="user.title")
STAFF = "ann", "bob", "cyd"


@pytest.fixture
def staff(world: World) -> World:
    """Three people in one group, delivered."""
    for id_ in STAFF:
        world.user(id_, email=f"{id_}@x", displayName=id_.title(), title="Engineer")
    world.group("staff", *STAFF)
    world.synced()
    return world


def target_id(world: World, key: str, kind: Kind = Kind.USER) -> str:
    [found] = [id_ for id_, held in world.store.objects(kind).items() if held.key == key]
    return found


def delete(world: World, key: str, kind: Kind = Kind.USER) -> None:
    world.store.delete(kind, target_id(world, key, kind))


def edit(world: World, key: str, kind: Kind = Kind.USER, **attributes: Any) -> None:
    """Change an object in the target by hand."""
    objects, id_ = world.store.objects(kind), target_id(world, key, kind)
    held = objects[id_]
    now = held.attributes | attributes
    name = "email" if "email" in now and held.key == held.attributes.get("email") else "id"
    objects[id_] = replace(held, key=now[name], attributes=now)


def verified(world: World, **asked: Any) -> TargetReport:
    return world.synced(verify=True, **asked)


def test_nothing_differs_right_after_a_run(staff: World) -> None:
    found = verified(staff)
    assert (found.verified, found.counts.total) == (Verified(objects=4), 0)


def test_a_run_without_verify_does_not_read_the_target(staff: World) -> None:
    edit(staff, "ann", title="Queen")
    found = staff.synced()
    assert (found.verified, found.counts.total) == (None, 0)


def test_a_changed_attribute_is_corrected(staff: World) -> None:
    edit(staff, "ann", title="Queen")
    edit(staff, "staff", Kind.GROUP, displayName="Court")
    plan = staff.run(deliver=False, changes=ListedChanges.ALL, verify=True)
    assert [(one["op"], one["before"]["title"], one["after"]["title"]) for one in staff.changes(plan)[:1]] == [
        ("update", "Queen", "Engineer")
    ]
    found = verified(staff)
    assert (found.verified, found.counts.total) == (Verified(objects=4, changed=2), 2)
    assert {one["title"] for one in staff.held().values()} == {"Engineer"}
    assert staff.held(Kind.GROUP)["staff"]["displayName"] == "staff"
    assert verified(staff).counts.total == 0


def test_a_plan_that_verifies_changes_nothing_for_the_next_run(staff: World) -> None:
    edit(staff, "ann", title="Queen")
    delete(staff, "bob")
    plan = staff.run(deliver=False, verify=True).targets[0]
    assert (plan.counts.users.create, plan.counts.users.update) == (1, 1)
    assert staff.synced().counts.total == 0
    assert staff.held()["ann"]["title"] == "Queen"


def test_a_deleted_user_is_created_with_all_memberships(staff: World) -> None:
    delete(staff, "ann")
    found = verified(staff)
    assert (found.verified, found.counts.users.create, found.counts.memberships.add) == (
        Verified(objects=4, missing=1, groups=1), 1, 1,
    )  # fmt: skip
    assert staff.members() == {"staff": set(STAFF)}
    assert verified(staff).counts.total == 0


def test_a_deleted_group_is_created_with_all_members(staff: World) -> None:
    delete(staff, "staff", Kind.GROUP)
    assert verified(staff).counts.groups.create == 1
    assert staff.members() == {"staff": set(STAFF)}
    assert verified(staff).counts.total == 0


def test_memberships_of_linked_objects_are_corrected_and_others_are_left(staff: World) -> None:
    staff.user("eve")
    staff.synced()
    group = target_id(staff, "staff", Kind.GROUP)
    by_hand = replace(staff.store.users[target_id(staff, "ann")], directory="nobody's", key="by hand")
    made = staff.store.insert(Kind.USER, by_hand)
    staff.store.memberships = staff.store.memberships - {(group, Kind.USER, target_id(staff, "bob"))} | {
        (group, Kind.USER, made), (group, Kind.USER, target_id(staff, "eve")),
    }  # fmt: skip
    found = verified(staff)
    assert (found.counts.memberships.add, found.counts.memberships.remove) == (1, 1)
    assert staff.members() == {"staff": {*STAFF, "by hand"}}
    assert verified(staff).counts.total == 0


def test_a_leaver_who_was_reactivated_by_hand_is_deactivated_again(staff: World) -> None:
    staff.leave("ann")
    staff.synced()
    edit(staff, "ann", active=True, title="Queen")
    staff.target(drift=DriftPolicy(keep=None))
    found = verified(staff)
    assert (found.counts.total, found.counts.users.deactivate) == (1, 1)
    assert (staff.held()["ann"]["active"], staff.held()["ann"]["title"]) == (False, "Queen")
    assert verified(staff).counts.total == 0


def test_a_leaver_whose_object_was_deleted_by_hand_is_forgotten(staff: World) -> None:
    staff.leave("ann")
    staff.synced()
    delete(staff, "ann")
    found = verified(staff)
    assert (found.verified, found.counts.total) == (Verified(objects=3), 0)
    staff.user("ann")
    assert staff.synced().counts.users.create == 1


def test_a_person_who_was_deactivated_by_hand_is_reactivated(staff: World) -> None:
    staff.user("ann", active=True, title="Engineer")
    staff.synced()
    edit(staff, "ann", active=False)
    assert verified(staff).counts.users.reactivate == 1


@pytest.mark.parametrize("keep", [None, frozenset({"title"})], ids=["all", "title"])
def test_kept_attributes_stay_as_they_are(staff: World, keep: frozenset[str] | None) -> None:
    staff.target(drift=DriftPolicy(keep))
    edit(staff, "ann", title="Queen")
    edit(staff, "bob", title="King", displayName="Robert")
    found = verified(staff)
    assert found.counts.users.update == (0 if keep is None else 1)
    assert staff.held()["ann"]["title"] == "Queen"


def test_the_object_of_a_stranger_fails_by_name_until_a_person_consents(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.user("1", email="ann@x", displayName="Ann", title="Engineer")
    world.user("2", email="bob@x", displayName="Bob", title="Clerk")
    world.synced()
    id_ = target_id(world, "ann@x")
    stranger: dict[str, Any] = {"email": "zoe@x", "name": "Zoe", "title": "Pilot"}
    world.store.users[id_] = replace(world.store.users[id_], key="zoe@x", attributes=stranger)
    report = world.run(verify=True)
    [failed] = report.targets[0].failed
    assert (report.status, failed.id, report.targets[0].counts.total) == ("partial", "1", 0)
    assert f"its object {id_} is not the one that was delivered" in failed.error
    assert "`usersyncd sync acme --verify --adopt 1`" in failed.error
    assert world.store.users[id_].attributes == stranger
    assert verified(world, adopt=frozenset({"1"})).counts.users.create == 1
    assert {held["name"] for held in world.held().values()} == {"Ann", "Bob", "Zoe"}
    assert verified(world).counts.total == 0


def test_a_key_that_was_changed_by_hand_is_corrected(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.user("1", email="ann@x", displayName="Ann", title="Engineer")
    world.synced()
    edit(world, "ann@x", email="ann.b@x")
    [change] = world.changes(world.run(deliver=False, verify=True, changes=ListedChanges.ALL))
    assert (change["key"], change["before"]["email"], change["after"]["email"]) == ("ann@x", "ann.b@x", "ann@x")
    found = verified(world)
    assert (found.verified, found.counts.users.update) == (Verified(objects=1, changed=1), 1)
    assert world.held().keys() == {"ann@x"}
    assert verified(world).counts.total == 0


def test_protected_objects_are_left_alone(staff: World) -> None:
    staff.target(protect={Kind.USER: protected_keys(["ann"]), Kind.GROUP: protected_keys([])})
    edit(staff, "ann", title="Queen")
    staff.store.memberships = set()
    found = verified(staff)
    assert found.counts.memberships.add == 2
    assert staff.held()["ann"]["title"] == "Queen"


def company(world: World, missing: int) -> None:
    world.people(*(f"u{n:03}" for n in range(100)))
    world.target(guard=Guard())
    world.synced()
    for n in range(missing):
        delete(world, f"u{n:03}")


def test_too_many_missing_objects_are_held(world: World) -> None:
    company(world, 11)
    report = world.run(verify=True)
    assert report.status == "held"
    [limit] = report.targets[0].guard
    assert (limit.limit, limit.allowed, limit.found) == ("missing", "10%", "11% (11 of 100)")
    assert world.run().status == "held", "also in a run without --verify"
    world.target(guard=Guard(at_least=20))
    assert world.synced().counts.users.create == 11
    assert world.synced().verified is None


@pytest.mark.parametrize("missing", [9, 10])
def test_missing_objects_within_the_limit_are_created(world: World, missing: int) -> None:
    company(world, missing)
    assert verified(world).counts.users.create == missing


def test_deleted_objects_of_leavers_do_not_count_as_missing(world: World) -> None:
    company(world, 0)
    for n in range(50):
        world.leave(f"u{n:03}")
    world.target()
    world.synced()
    world.target(guard=Guard())
    for n in range(50):
        delete(world, f"u{n:03}")
    assert verified(world).counts.total == 0


def test_a_verification_runs_at_its_interval(staff: World) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    staff.target(verify=Complete(every=timedelta(days=1)))

    def looked_at(now: datetime) -> bool:
        staff.now = now
        return staff.synced().verified is not None

    assert looked_at(now)
    assert not looked_at(now + timedelta(hours=23))
    assert looked_at(now + timedelta(hours=24))
    assert looked_at(now + timedelta(days=10_000)), "a clock that is wrong"
    assert looked_at(now + timedelta(days=3)), "and right again"
    assert not looked_at(now + timedelta(days=3, hours=1))


def test_a_run_that_fails_verifies_again_in_the_next_run(staff: World) -> None:
    edit(staff, "ann", title="Queen")
    delete(staff, "bob")
    staff.store.faults.die_before_commit = True
    assert staff.run(verify=True).status == "failed"
    staff.store.faults.die_before_commit = False
    assert staff.synced().verified is not None
    assert staff.held()["ann"]["title"] == "Engineer"
    assert staff.members() == {"staff": set(STAFF)}


def test_a_refused_correction_is_tried_again_without_verifying(staff: World) -> None:
    edit(staff, "ann", title="Queen")
    staff.store.faults.refuse = {"ann"}
    assert staff.run(verify=True).status == "partial"
    staff.store.faults.refuse = set()
    found = staff.synced()
    assert (found.verified, found.counts.users.update) == (None, 1)


@ON_SQLITE
def test_members_of_other_directories_are_left_alone(world: World) -> None:
    other = World(world.folder, state=world.url)
    other.name = "corp"
    other.stores = world.stores
    world.beside, other.beside = [other], [world]
    for one in (world, other):
        one.targets["app"] = structs.replace(
            one.targets["app"], options=type(one.targets["app"].options)(store=world.store)
        )
    world.people("ann")
    world.group("staff", "ann")
    other.people("zoe")
    world.synced()
    other.synced()
    group, zoe = target_id(world, "staff", Kind.GROUP), target_id(world, "zoe")
    world.store.memberships |= {(group, Kind.USER, zoe)}
    assert verified(world).counts.total == 0
    assert world.members() == {"staff": {"ann", "zoe"}}
    other.database.close()
