"""Each object stays with its record when keys change, move to other records or are exchanged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.run.addresses import BY_ADDRESS, BY_NAME, failed, is_quiet, objects, person, stamp, town
from tests.run.world import ON_SQLITE, World

__all__ = ["town"]

pytestmark = ON_SQLITE


# ---- keys that move


@pytest.mark.parametrize("newcomer", ["0", "9"], ids=["before", "after"])
def test_a_new_user_gets_an_address_that_another_user_gives_up(town: World, newcomer: str) -> None:
    person(town, "3", "k1")
    town.group("admins", "3")
    town.synced()
    password = stamp(town)
    person(town, "3", "k2")
    person(town, newcomer, "k1")
    town.synced()
    assert objects(town) == {"m1": ("k2", "3", True), "m3": ("k1", newcomer, True)}
    assert town.store.users["m1"].foreign == {"password": password["m1"]}
    assert town.store.users["m3"].foreign == {}
    assert town.members() == {"admins": {"k2@x"}}
    assert is_quiet(town)


@pytest.mark.parametrize("mover", ["0", "9"], ids=["before", "after"])
def test_a_user_moves_to_an_address_that_another_user_gives_up(town: World, mover: str) -> None:
    person(town, "3", "k1")
    person(town, mover, "k0")
    town.synced()
    before = objects(town)
    person(town, "3", "k2")
    person(town, mover, "k1")
    town.synced()
    moved = {"3": "k2", mover: "k1"}
    assert objects(town) == {target_id: (moved[ref], ref, True) for target_id, (_, ref, _) in before.items()}
    assert is_quiet(town)


def test_two_users_exchange_their_addresses_and_one_leaves_a_group(town: World) -> None:
    for id_, address in (("1", "a"), ("2", "b"), ("3", "c")):
        person(town, id_, address)
    town.group("admins", "1", "2")
    town.synced()
    person(town, "1", "b")
    person(town, "2", "a")
    town.group("admins", "2")
    town.synced()
    assert objects(town) == {"m1": ("b", "1", True), "m2": ("a", "2", True), "m3": ("c", "3", True)}
    assert town.members() == {"admins": {"a@x"}}
    assert is_quiet(town)


def test_five_addresses_pass_to_the_next_user_in_one_run(town: World) -> None:
    for number in range(5):
        person(town, f"u{number}", f"k{number}")
    town.synced()
    for number in range(5):
        person(town, f"u{number}", f"k{number + 1}")
    assert town.synced().counts.users.update == 5
    assert objects(town) == {f"m{number + 1}": (f"k{number + 1}", f"u{number}", True) for number in range(5)}


def test_groups_exchange_their_names(town: World) -> None:
    person(town, "1", "a")
    person(town, "2", "b")
    town.group("g1", "1", displayName="admins")
    town.group("g2", "2", displayName="staff")
    town.synced()
    before = set(town.store.memberships)
    town.group("g1", "1", displayName="staff")
    town.group("g2", "2", displayName="admins")
    town.synced()
    assert town.store.memberships == before
    assert town.members() == {"staff": {"a@x"}, "admins": {"b@x"}}


def test_a_removal_reaches_a_user_whose_new_key_is_refused(town: World) -> None:
    person(town, "1", "ann")
    town.group("admins", "1")
    town.synced()
    town.store.faults.refuse = {"ann.new@x"}
    person(town, "1", "ann.new")
    town.group("admins")
    assert list(failed(town.run())) == ["1"]
    assert town.members() == {}
    town.store.faults.refuse = set()
    town.synced()
    assert objects(town) == {"m1": ("ann.new", "1", True)}
    assert town.members() == {}


# ---- who leaves, and comes back under a new id


@pytest.mark.parametrize("delete_after", [None, timedelta(0)], ids=["kept", "deleted"])
def test_a_user_created_again_while_the_target_is_down_is_active_afterwards(
    town: World, delete_after: timedelta | None
) -> None:
    town.target(users=BY_ADDRESS, groups=BY_NAME, delete_after=delete_after)
    person(town, "1", "ann")
    person(town, "9", "zed")
    town.synced()
    town.leave("1")
    person(town, "2", "ann")
    town.store.faults.down = True
    assert town.run().status == "failed"
    town.store.faults.down = False
    counts = town.synced().counts
    assert (counts.users.adopt, counts.total) == (1, 1)
    assert objects(town) == {"m1": ("ann", "2", True), "m2": ("zed", "9", True)}
    assert is_quiet(town)


def test_a_leaver_is_deactivated_when_the_new_user_with_the_key_is_refused(town: World) -> None:
    person(town, "1", "ann")
    person(town, "9", "zed")
    town.group("admins", "1", "9")
    town.synced()
    town.store.faults.refuse = {"2"}
    town.leave("1")
    person(town, "2", "ann")
    town.group("admins", "2", "9")
    assert list(failed(town.run())) == ["2"]
    assert objects(town)["m1"] == ("ann", "1", False)
    assert list(failed(town.run())) == ["2"]
    assert town.members() == {"admins": {"zed@x"}}
    town.leave("2")
    town.synced()
    assert is_quiet(town, complete=True)
    assert objects(town) == {"m1": ("ann", "1", False), "m2": ("zed", "9", True)}


def test_a_leavers_object_is_adopted_later_with_consent_only(town: World) -> None:
    person(town, "1", "ann")
    town.synced()
    town.leave("1")
    town.synced()
    person(town, "2", "ann")
    for _ in range(2):
        assert "--adopt 2" in failed(town.run())["2"]
        assert objects(town) == {"m1": ("ann", "1", False)}
    assert "2" in failed(town.run(adopt=frozenset({"3"})))
    assert town.synced(adopt=frozenset({"2"})).counts.users.adopt == 1
    assert objects(town) == {"m1": ("ann", "2", True)}


def test_a_user_who_returns_under_the_old_id_has_the_old_object_at_any_address(town: World) -> None:
    person(town, "1", "ann")
    person(town, "2", "bob")
    town.synced()
    town.leave("1")
    town.synced()
    person(town, "1", "ann.k")
    town.synced()
    assert objects(town) == {"m1": ("ann.k", "1", True), "m2": ("bob", "2", True)}
