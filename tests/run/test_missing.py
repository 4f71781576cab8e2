"""An object that the application deleted is created again, with all its memberships, when a run changes it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.report import RunReport
from usersyncd.plugin import Kind, Value

BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName")
BY_LOGIN = rules(None, "login", login="user.userName", name="user.displayName")


pytestmark = ON_SQLITE


def delete(world: World, kind: Kind, key: str) -> None:
    [target_id] = [target_id for target_id, held in world.store.objects(kind).items() if held.key == key]
    world.store.delete(kind, target_id)


def failed(report: RunReport) -> list[tuple[str, str]]:
    return [(one.kind, one.id) for one in report.targets[0].failed]


def test_a_deleted_object_is_created_by_the_run_that_finds_it_missing(world: World) -> None:
    """The records do not wait for the next interval."""
    world.people("ann", "bob", "cyd", title="old")
    world.group("staff", "ann", "bob", "cyd")
    world.synced()
    for key in ("ann", "cyd"):
        delete(world, Kind.USER, key)
    world.people("ann", "bob", "cyd", title="new")
    counts = world.synced().counts
    assert (counts.users.create, counts.users.update, counts.memberships.add) == (2, 1, 2)
    assert world.members() == {"staff": {"ann", "bob", "cyd"}}
    assert world.synced().counts.total == 0


def test_a_refused_change_is_reported_once_although_it_is_sent_twice(world: World) -> None:
    world.people("ann", "bob", title="old")
    world.synced()
    delete(world, Kind.USER, "ann")
    world.people("ann", "bob", title="new")
    world.store.faults.refuse = {"bob"}
    report = world.run()
    assert failed(report) == [("user", "bob")]
    assert (report.status, report.targets[0].failures, report.targets[0].counts.users.create) == ("partial", 1, 1)


def test_a_deleted_group_that_gets_a_member_is_created_with_all_members(world: World) -> None:
    world.people("ann", "bob", "cyd")
    world.group("staff", "ann", "bob")
    world.synced()
    delete(world, Kind.GROUP, "staff")
    world.group("staff", "ann", "bob", "cyd")
    assert world.synced().counts.groups.create == 1
    assert world.members() == {"staff": {"ann", "bob", "cyd"}}
    assert world.synced().counts.total == 0


def test_a_deleted_group_that_loses_a_member_is_created_without_the_member(world: World) -> None:
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.synced()
    delete(world, Kind.GROUP, "staff")
    world.group("staff", "ann")
    world.synced()
    world.synced()
    assert world.members() == {"staff": {"ann"}}


def test_a_deleted_user_who_joins_a_group_is_created_and_is_in_all_groups(world: World) -> None:
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.group("admins", "bob")
    world.synced()
    delete(world, Kind.USER, "ann")
    world.group("admins", "ann", "bob")
    assert world.synced().counts.users.create == 1
    assert world.members() == {"staff": {"ann", "bob"}, "admins": {"ann", "bob"}}
    assert world.synced().counts.total == 0


@pytest.mark.usefixtures("reused_ids")
@pytest.mark.parametrize("delete_after", [None, timedelta(0)], ids=["kept", "deleted"])
def test_an_id_that_the_target_uses_again_belongs_to_the_new_user_only(
    world: World, delete_after: timedelta | None
) -> None:
    world.target(users=BY_ADDRESS)
    world.user("1", email="ada@x", displayName="Ada")
    world.synced()
    world.leave("1")
    world.synced()
    delete(world, Kind.USER, "ada@x")
    world.store.serial = 0
    world.user("2", email="ada@x", displayName="Newcomer")
    world.synced()
    assert list(world.store.users) == ["m1"]
    world.target(users=BY_ADDRESS, delete_after=delete_after)
    world.synced()
    world.user("1", email="ada.l@x", displayName="Ada")
    assert world.synced().counts.users.create == 1
    held = {one.attributes["name"]: (one.key, one.attributes.get("active", True)) for one in world.store.users.values()}
    assert held == {"Newcomer": ("ada@x", True), "Ada": ("ada.l@x", True)}
    assert world.synced().counts.total == 0


@pytest.mark.usefixtures("reused_ids")
def test_a_user_whose_id_the_target_gave_to_another_is_created_again(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.user("1", email="ada@x", displayName="Ada")
    world.group("staff", "1")
    world.synced()
    delete(world, Kind.USER, "ada@x")
    world.store.serial = 0
    world.user("2", email="bob@x", displayName="Bob")
    world.synced()
    world.synced()
    assert {(one.key, one.attributes["name"]) for one in world.store.users.values()} == {
        ("ada@x", "Ada"), ("bob@x", "Bob"),
    }  # fmt: skip
    assert world.members() == {"staff": {"ada@x"}}
    assert world.synced().counts.total == 0


def test_a_leaver_is_deactivated_after_the_rules_name_another_key(world: World) -> None:
    world.target(users=BY_ADDRESS)
    for id_ in ("ann", "bob"):
        world.user(id_, email=f"{id_}@x", userName=id_, displayName=id_.title())
    world.synced()
    world.target(users=BY_LOGIN)
    world.leave("ann")
    world.synced()
    held = {one.attributes["name"]: one.attributes for one in world.store.users.values()}
    assert (held["Ann"]["active"], held["Ann"]["email"]) == (False, "ann@x")
    assert (held["Bob"]["active"], held["Bob"]["login"]) == (True, "bob")
    assert world.synced().counts.total == 0


def replace_object(world: World, key: str) -> None:
    """Give the id of this user to a stranger, as a restored target does."""
    [(target_id, held)] = [(target_id, held) for target_id, held in world.store.users.items() if held.key == key]
    stranger: dict[str, Value] = {"email": "stranger@x", "name": "Stranger", "active": True}
    world.store.users[target_id] = dataclasses.replace(held, key="stranger@x", attributes=stranger)


def accounts(world: World) -> dict[object, bool]:
    return {one.attributes["name"]: one.attributes.get("active") is not False for one in world.store.users.values()}


def refused_leaver(world: World) -> None:
    """Ann left, the target refused the change, and Ann returned unchanged."""
    world.target(users=BY_ADDRESS)
    world.user("ann", email="ann@x", displayName="Ann")
    world.group("staff", "ann")
    world.synced()
    world.leave("ann")
    world.store.faults.refuse = {"ann"}
    assert world.run().status == "partial"
    world.store.faults.refuse = set()
    world.user("ann", email="ann@x", displayName="Ann")
    world.group("staff", "ann")


def test_a_returning_user_who_still_has_the_account_is_not_changed(world: World) -> None:
    refused_leaver(world)
    assert world.synced().counts.users.update == 0
    assert accounts(world) == {"Ann": True}
    assert world.members() == {"staff": {"ann@x"}}
    assert world.synced().counts.total == 0


def test_a_returning_user_whose_account_is_anothers_fails_by_name(world: World) -> None:
    refused_leaver(world)
    replace_object(world, "ann@x")
    for report in (world.plan(), world.run(), world.run()):
        [failure] = report.targets[0].failed
        assert failure.error == (
            "its object in the target (m1) is not the one that was delivered: it has email 'stranger@x'; the target "
            "was restored, or its ids were reused\n"
            "  → check whose it is; if it belongs to another record, `usersyncd sync acme --adopt ann` forgets it"
        )
    counts = world.synced(adopt=frozenset({"ann"})).counts
    assert (counts.users.create, counts.memberships.add) == (1, 1)
    assert accounts(world) == {"Stranger": True, "Ann": True}
    assert world.members() == {"staff": {"stranger@x", "ann@x"}}
    assert world.synced().counts.total == 0


def test_a_returning_user_whose_account_was_deleted_gets_a_new_one(world: World) -> None:
    refused_leaver(world)
    delete(world, Kind.USER, "ann@x")
    assert world.synced().counts.users.create == 1
    assert world.members() == {"staff": {"ann@x"}}
    assert world.synced().counts.total == 0


def test_a_returning_user_whose_key_was_changed_by_hand_gets_it_back(world: World) -> None:
    refused_leaver(world)
    world.store.users["m1"] = dataclasses.replace(world.store.users["m1"], key="ann.by.hand@x")
    assert world.synced().counts.users.update == 1
    assert set(world.held()) == {"ann@x"}
    assert world.synced().counts.total == 0


def test_a_returning_user_whose_account_was_deactivated_by_hand_is_reactivated(world: World) -> None:
    refused_leaver(world)
    world.store.users["m1"].attributes["active"] = False
    assert world.synced().counts.users.reactivate == 1
    assert accounts(world) == {"Ann": True}
    assert world.synced().counts.total == 0


def test_the_next_run_reads_the_object_of_a_refused_member(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.user("ann", email="ann@x", displayName="Ann")
    world.group("staff")
    world.synced()
    replace_object(world, "ann@x")
    world.group("staff", "ann")
    world.store.faults.refuse = {"ann"}
    assert failed(world.run()) == [("user", "ann")]
    world.store.faults.refuse = set()
    assert "is not the one that was delivered" in world.run().targets[0].failed[0].error
    assert world.synced(adopt=frozenset({"ann"})).counts.users.create == 1
    assert accounts(world) == {"Stranger": True, "Ann": True}
    assert world.members() == {"staff": {"ann@x"}}


ELSEWHERE = "and another object has its email 'ann@x'"


@pytest.fixture(params=[None, timedelta(0)], ids=["kept", "deleted"])
def replaced_leaver(world: World, request: pytest.FixtureRequest) -> World:
    """Ann leaves, and the application created her account again under another target id."""
    world.target(users=BY_ADDRESS, delete_after=request.param)
    world.user("ann", email="ann@x", displayName="Ann")
    world.user("bob", email="bob@x", displayName="Bob")
    world.synced()
    held = world.store.users["m1"]
    world.store.delete(Kind.USER, "m1")
    world.store.users["again"] = dataclasses.replace(held, attributes=held.attributes | {"active": True})
    world.leave("ann")
    return world


def test_a_leaver_whose_account_was_created_again_fails_by_name(replaced_leaver: World) -> None:
    for report in (replaced_leaver.plan(), replaced_leaver.run(), replaced_leaver.run()):
        [target] = report.targets
        assert target.counts.total == 0
        [failure] = target.failed
        assert (failure.id, ELSEWHERE in failure.error) == ("ann", True)
        assert "`usersyncd sync acme --adopt ann`" in failure.error
    assert accounts(replaced_leaver)["Ann"] is True


def test_a_leaver_whose_account_was_created_again_loses_it_by_consent(replaced_leaver: World) -> None:
    assert replaced_leaver.synced(adopt=frozenset({"ann"})).counts.total == 1
    assert accounts(replaced_leaver).get("Ann") is not True
    assert replaced_leaver.synced().counts.total == 0


def test_a_leaver_whose_account_was_created_again_needs_no_change_once_it_is_inactive(replaced_leaver: World) -> None:
    replaced_leaver.run()
    replaced_leaver.store.users["again"].attributes["active"] = False
    replaced_leaver.synced()
    assert replaced_leaver.synced().counts.total == 0


def test_a_leaver_whose_account_is_anothers_loses_the_one_created_again_by_consent(replaced_leaver: World) -> None:
    stranger: dict[str, Value] = {"email": "stranger@x", "name": "Stranger", "active": True}
    again = replaced_leaver.store.users["again"]
    replaced_leaver.store.users["m1"] = dataclasses.replace(again, key="stranger@x", attributes=stranger)
    replaced_leaver.synced(adopt=frozenset({"ann"}))
    assert accounts(replaced_leaver).get("Ann") is not True
    assert accounts(replaced_leaver)["Stranger"] is True


def test_a_new_user_with_the_key_adopts_the_account_created_again_by_consent(replaced_leaver: World) -> None:
    replaced_leaver.user("new", email="ann@x", displayName="Ann")
    assert failed(replaced_leaver.run()) == [("user", "new"), ("user", "ann")]
    assert replaced_leaver.synced(adopt=frozenset({"new"})).counts.users.adopt == 1
    assert accounts(replaced_leaver)["Ann"] is True
    assert replaced_leaver.synced().counts.total == 0


def test_a_user_with_an_unclear_pending_change_gets_a_new_account_by_consent(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.user("ann", email="ann@x", displayName="Ann")
    world.group("staff", "ann")
    world.synced()
    world.user("ann", email="ann.new@x", displayName="Ann N.")
    world.store.faults.die_before_commit = True
    assert world.run().status == "failed"
    world.store.faults.die_before_commit = False
    replace_object(world, "ann@x")
    assert "did not acknowledge its last change" in world.run().targets[0].failed[0].error
    counts = world.synced(adopt=frozenset({"ann"})).counts
    assert (counts.users.create, counts.memberships.add) == (1, 1)
    assert accounts(world) == {"Stranger": True, "Ann N.": True}
    assert world.members() == {"staff": {"stranger@x", "ann.new@x"}}
    assert world.synced().counts.total == 0
