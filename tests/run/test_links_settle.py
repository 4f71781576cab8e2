"""Each object stays with its record when changes are not answered, and when the target had objects before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.run.addresses import BY_ADDRESS, BY_NAME, failed, is_quiet, objects, person, town
from tests.run.world import ON_SQLITE, World
from usersyncd.plugin import Kind, Value
from usersyncd.testing import MemoryObject

__all__ = ["town"]

pytestmark = ON_SQLITE


# ---- what was sent and not answered


SWAP = {"1": "b", "2": "a"}


@pytest.mark.parametrize("faults", [{"die_after_commit": True}, {"die_after": 0, "die_unseen": True}, {"die_after": 1}])
def test_a_leaver_is_the_one_deactivated_after_an_exchange_that_was_not_answered(
    town: World, faults: Mapping[str, Any]
) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.synced()
    for id_, address in SWAP.items():
        person(town, id_, address)
    _die(town, faults)
    town.leave("1")
    town.synced()
    assert objects(town) == {"m1": ("b", "1", False), "m2": ("a", "2", True)}
    assert is_quiet(town)


@pytest.mark.parametrize("faults", [{"die_before_commit": True}, {"die_after": 0}])
def test_a_leaver_is_the_one_deactivated_after_an_exchange_that_was_not_written(
    town: World, faults: Mapping[str, Any]
) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    person(town, "3", "c")
    town.synced()
    person(town, "1", "b")
    person(town, "2", "d")
    _die(town, faults)
    town.leave("1")
    town.synced()
    assert objects(town) == {"m1": ("a", "1", False), "m2": ("d", "2", True), "m3": ("c", "3", True)}


@pytest.mark.parametrize("faults", [{"die_after_commit": True}, {"die_before_commit": True}, {"die_after": 1}])
def test_a_new_user_with_a_key_given_up_in_an_unanswered_change_gets_a_new_object(
    town: World, faults: Mapping[str, Any]
) -> None:
    person(town, "1", "a")
    town.synced()
    person(town, "1", "b")
    person(town, "2", "a")
    _die(town, faults)
    town.synced()
    assert objects(town)["m1"] == ("b", "1", True)
    assert sorted(objects(town).values()) == [("a", "2", True), ("b", "1", True)]
    assert is_quiet(town)


@pytest.mark.parametrize("delete_after", [None, timedelta(0)], ids=["kept", "deleted"])
@pytest.mark.parametrize("faults", [{"die_after_commit": True}, {"die_before_commit": True}])
def test_a_user_created_in_an_unanswered_change_who_leaves_has_no_access(
    town: World, faults: Mapping[str, Any], delete_after: timedelta | None
) -> None:
    town.target(users=BY_ADDRESS, groups=BY_NAME, delete_after=delete_after)
    person(town, "1", "a")
    town.synced()
    person(town, "2", "b")
    _die(town, faults)
    town.leave("2")
    person(town, "3", "c")
    town.synced()
    active = {ref for _, ref, is_active in objects(town).values() if is_active}
    assert active == {"1", "3"}
    assert is_quiet(town)


@pytest.mark.parametrize("faults", [{"die_after_commit": True}, {"die_before_commit": True}, {"die_after": 1}])
def test_a_user_created_in_an_unanswered_change_exists_once(town: World, faults: Mapping[str, Any]) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.group("admins", "1")
    _die(town, faults)
    person(town, "2", "b2")
    town.synced()
    assert sorted(objects(town).values()) == [("a", "1", True), ("b2", "2", True)]
    assert town.members() == {"admins": {"a@x"}}
    assert is_quiet(town)


def test_a_removal_that_was_not_answered_is_sent_again(town: World) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.group("admins", "1", "2")
    town.synced()
    town.group("admins", "1")
    _die(town, {"die_before_commit": True})
    town.synced()
    assert town.members() == {"admins": {"a@x"}}


def test_an_unanswered_change_counts_in_the_run_that_finds_it_written(town: World) -> None:
    person(town, "1", "a")
    _die(town, {"die_after_commit": True})
    report = town.run()
    assert (report.status, report.targets[0].counts.users.create, report.targets[0].entries) == ("succeeded", 1, 1)
    assert is_quiet(town)


def test_an_error_names_the_failed_user_that_still_has_the_key(town: World) -> None:
    for id_, address in (("1", "a"), ("2", "b"), ("3", "c")):
        person(town, id_, address)
    town.synced()
    person(town, "1", "b")
    person(town, "2", "c")
    assert failed(town.run())["1"] == (
        "its email 'b@x' is still that of user 2, whose own change failed\n  → see why user 2 failed"
    )


def _die(world: World, faults: Mapping[str, Any]) -> None:
    for name, value in faults.items():
        setattr(world.store.faults, name, value)
    assert world.run().status == "failed"
    for name in faults:
        setattr(world.store.faults, name, None if name == "die_after" else False)


# ---- what was there before


def test_after_the_first_whole_delivery_an_object_without_an_owner_is_adopted_only_with_consent(town: World) -> None:
    person(town, "1", "a")
    town.synced()
    stranger = town.store.insert(Kind.USER, _stranger("b", active=True))
    person(town, "2", "b")
    before = town.store.users[stranger]
    assert "2" in failed(town.run())
    assert town.store.users[stranger] == before
    town.synced(adopt=frozenset({"2"}))
    assert objects(town)[stranger] == ("b", "2", True)
    assert town.store.users[stranger].foreign == before.foreign


def test_the_first_delivery_adopts_active_objects_only(town: World) -> None:
    active = town.store.insert(Kind.USER, _stranger("a", active=True))
    inactive = town.store.insert(Kind.USER, _stranger("b", active=False))
    person(town, "1", "a")
    person(town, "2", "b")
    before = town.store.users[inactive]
    assert list(failed(town.run())) == ["2"]
    assert objects(town)[active] == ("a", "1", True)
    assert town.store.users[inactive] == before


def test_an_object_that_the_application_deleted_is_created_again_with_the_next_change(town: World) -> None:
    person(town, "1", "a")
    town.group("admins", "1")
    town.synced()
    town.store.delete(Kind.USER, "m1")
    person(town, "1", "a", "another name")
    for _ in range(2):
        town.run()
    assert [held[:2] for held in objects(town).values()] == [("a", "1")]
    assert town.members() == {"admins": {"a@x"}}
    assert is_quiet(town)


def test_a_leaver_whose_object_the_application_deleted_needs_no_change(town: World) -> None:
    person(town, "1", "a")
    town.group("admins", "1")
    town.synced()
    town.store.delete(Kind.USER, "m1")
    town.leave("1")
    assert town.run().status == "succeeded"
    assert objects(town) == {}
    assert is_quiet(town)


def test_a_leaver_is_deactivated_although_another_user_has_the_old_address(town: World) -> None:
    person(town, "1", "a")
    town.synced()
    rewritten = replace(
        town.store.users["m1"], key="z@x", attributes=town.store.users["m1"].attributes | {"email": "z@x"}
    )
    town.store.users["m1"] = rewritten
    person(town, "1", "b")
    person(town, "2", "a")
    town.store.faults.refuse = {"1"}
    assert list(failed(town.run())) == ["1"]
    town.store.faults.refuse = set()
    town.leave("1")
    town.synced()
    assert objects(town) == {"m1": ("z", "1", False), "m2": ("a", "2", True)}
    assert is_quiet(town)


def _stranger(address: str, *, active: bool) -> MemoryObject:
    attributes: dict[str, Value] = {"email": f"{address}@x", "name": "somebody", "ref": None, "active": active}
    return MemoryObject("", f"{address}@x", attributes, {"password": "of a stranger"})


@pytest.mark.parametrize("faults", [{"die_after_commit": True}, {"die_before_commit": True}])
def test_a_user_who_adopted_in_an_unanswered_batch_keeps_no_group_of_the_leaver(
    town: World, faults: Mapping[str, Any]
) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.group("red", "1", "2")
    town.group("blue", "1")
    town.synced()
    town.leave("1")
    person(town, "9", "a")
    town.group("red", "2")
    town.group("blue", "9")
    _die(town, faults)
    town.synced()
    assert objects(town) == {"m1": ("a", "9", True), "m2": ("b", "2", True)}
    assert town.members() == {"red": {"b@x"}, "blue": {"a@x"}}
    assert is_quiet(town)


def test_an_adoption_that_was_not_written_is_decided_again(town: World) -> None:
    person(town, "1", "a")
    town.group("red", "1")
    town.synced()
    town.leave("1")
    person(town, "2", "a")
    town.group("red", "2")
    _die(town, {"die_before_commit": True})
    town.store.faults.refuse = {"2"}
    assert list(failed(town.run())) == ["2"]
    assert objects(town) == {"m1": ("a", "1", False)}
    assert list(failed(town.run())) == ["2"]
    assert town.members() == {}


def test_a_leaver_due_for_deletion_frees_the_key_for_a_new_user_at_once(world: World) -> None:
    world.target(users=BY_ADDRESS, groups=BY_NAME, delete_after=timedelta(days=5))
    then = datetime(2026, 1, 1, tzinfo=UTC)
    world.now = then
    person(world, "1", "a")
    world.synced()
    world.leave("1")
    world.synced()
    world.now = then + timedelta(days=6)
    person(world, "7", "a")
    assert world.synced().counts.users.delete == 1
    assert [(key, ref) for key, ref, _ in objects(world).values()] == [("a", "7")]
    assert is_quiet(world)


def test_a_member_added_in_an_unanswered_change_and_then_refused_is_removed_in_the_end(town: World) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.group("red")
    town.synced()
    town.group("red", "1", "2")
    _die(town, {"die_after_commit": True})
    assert town.members() == {"red": {"a@x", "b@x"}}
    town.store.faults.refuse = {"1"}
    assert town.run().status == "partial"
    town.store.faults.refuse = set()
    town.group("red", "2")
    town.synced()
    assert town.members() == {"red": {"b@x"}}
    assert is_quiet(town)
