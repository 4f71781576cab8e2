"""Objects that somebody deleted in the target come back when a change is about them, with all their memberships."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.report import RunReport
from usersyncd.plugin import Kind

BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName")
BY_LOGIN = rules(None, "login", login="user.userName", name="user.displayName")


pytestmark = ON_SQLITE


def delete(world: World, kind: Kind, key: str) -> None:
    [target_id] = [target_id for target_id, held in world.store.objects(kind).items() if held.key == key]
    world.store.delete(kind, target_id)


def failed(report: RunReport) -> list[tuple[str, str]]:
    return [(one.kind, one.id) for one in report.targets[0].failed]


def test_a_group_that_gets_a_member_is_made_again_with_all_of_them(world: World) -> None:
    world.people("ann", "bob", "cyd")
    world.group("staff", "ann", "bob")
    world.synced()
    delete(world, Kind.GROUP, "staff")
    world.group("staff", "ann", "bob", "cyd")
    report = world.run()
    assert (report.status, failed(report)) == ("partial", [("group", "staff")])
    world.synced()
    assert world.members() == {"staff": {"ann", "bob", "cyd"}}
    assert world.synced().counts.total == 0


def test_a_group_that_loses_a_member_is_made_again_without_them(world: World) -> None:
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.synced()
    delete(world, Kind.GROUP, "staff")
    world.group("staff", "ann")
    world.synced()
    world.synced()
    assert world.members() == {"staff": {"ann"}}


def test_somebody_who_joins_a_group_is_made_again_and_is_in_all_groups(world: World) -> None:
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.group("admins", "bob")
    world.synced()
    delete(world, Kind.USER, "ann")
    world.group("admins", "ann", "bob")
    report = world.run()
    assert (report.status, failed(report)) == ("partial", [("user", "ann")])
    world.synced()
    assert world.members() == {"staff": {"ann", "bob"}, "admins": {"ann", "bob"}}
    assert world.synced().counts.total == 0


@pytest.mark.parametrize("delete_after", [None, timedelta(0)], ids=["kept", "deleted"])
def test_an_id_that_the_target_uses_again_is_the_newcomers_alone(world: World, delete_after: timedelta | None) -> None:
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


def test_who_had_an_id_that_is_anothers_now_is_made_again(world: World) -> None:
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


def test_a_leaver_is_deactivated_though_the_rules_name_another_key_by_then(world: World) -> None:
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
