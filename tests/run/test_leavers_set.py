"""``leavers.set``: rules set attributes of leavers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.run.world import NO_LIMITS, World
from usersyncd.core.model import Constant, Guard, Rule, Ruleset
from usersyncd.errors import Place
from usersyncd.plugin import Kind, Op
from usersyncd.testing.memory_store import MemoryObject

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
USERS = Ruleset(None, "uid", {
    "uid": Rule("user.id", Place("config.yaml", 7)),
    "name": Rule("user.displayName", Place("config.yaml", 8)),
    "status": Constant("here", Place("config.yaml", 9)),
    "disabled_at": Constant(None, Place("config.yaml", 10)),
    "note": Constant(None, Place("config.yaml", 11)),
})  # fmt: skip
LEAVING: dict[str, Rule | Constant] = {
    "status": Constant("left", Place("config.yaml", 12)),
    "disabled_at": Rule("now()", Place("config.yaml", 13)),
    "note": Rule("'was ' + user.displayName", Place("config.yaml", 14)),
}
HERE = {"status": "here", "disabled_at": None, "note": None}
LEFT = {"status": "left", "disabled_at": "2026-03-01T12:00:00Z", "note": "was Ada"}


@pytest.fixture
def staff(world: World) -> World:
    world.target(users=USERS, leaving=LEAVING)
    world.directory.users["u1"] = {"displayName": "Ada"}
    world.people("u2")
    world.now = THEN
    world.synced()
    return world


def of(world: World, key: str) -> dict[str, object]:
    return {name: world.held()[key].get(name) for name in HERE}


def test_a_leaver_gets_these_attributes_instead_of_active_and_keeps_the_others(staff: World) -> None:
    assert "active" not in staff.held()["u1"]
    assert of(staff, "u1") == HERE
    staff.leave("u1")
    assert staff.synced().counts.users.deactivate == 1
    assert of(staff, "u1") == LEFT
    assert staff.held()["u1"]["name"] == "Ada"
    assert of(staff, "u2") == HERE


def test_the_moment_of_leaving_stays_and_nothing_is_written_again(staff: World) -> None:
    staff.leave("u1")
    staff.synced()
    staff.now = THEN + timedelta(days=3)
    assert staff.synced(complete=True).counts.total == 0
    assert of(staff, "u1") == LEFT


def test_a_leaver_who_returns_gets_the_normal_values_and_counts_as_reactivated(staff: World) -> None:
    staff.leave("u1")
    staff.synced()
    staff.directory.users["u1"] = {"displayName": "Ada"}
    counts = staff.synced().counts.users
    assert (counts.reactivate, counts.update) == (1, 0)
    assert of(staff, "u1") == HERE


def test_a_user_that_where_leaves_out_is_a_leaver(staff: World) -> None:
    staff.target(users=Ruleset(Rule("user.id != 'u1'", Place("config.yaml", 6)), USERS.key, USERS.set), leaving=LEAVING)
    staff.synced()
    assert of(staff, "u1") == LEFT


def test_a_changed_leavers_rule_is_applied_to_earlier_leavers(staff: World) -> None:
    staff.leave("u1")
    staff.synced()
    staff.now = THEN + timedelta(days=3)
    staff.target(users=USERS, leaving=LEAVING | {"status": Constant("gone", Place("config.yaml", 12))})
    staff.synced()
    assert of(staff, "u1") == LEFT | {"status": "gone"}


def test_a_deactivation_that_was_not_answered_is_looked_up(staff: World) -> None:
    staff.leave("u1")
    staff.store.faults.die_after_commit = True
    assert staff.run().status == "failed"
    staff.store.faults.die_after_commit = False
    staff.now = THEN + timedelta(days=3)
    for _ in range(2):
        staff.synced()
    assert of(staff, "u1")["status"] == "left"
    assert staff.plan().targets[0].counts.total == 0


def test_a_rule_that_fails_names_the_leaver(staff: World) -> None:
    staff.target(
        users=USERS, leaving=LEAVING | {"note": Rule("string(1 / size(user.groups))", Place("config.yaml", 14))}
    )
    staff.leave("u1")
    report = staff.run()
    assert report.status == "partial"
    [failed] = report.targets[0].failed
    assert (failed.id, failed.at) == ("u1", "config.yaml:14")
    assert failed.error == "note: divide by zero"


def test_the_plan_shows_what_a_leaver_gets(staff: World) -> None:
    staff.leave("u1")
    [change] = [one for one in staff.changes(staff.plan()) if one["op"] == Op.DEACTIVATE]
    assert change["after"] == {"uid": "u1", "name": "Ada", **LEFT}


def test_a_verification_takes_the_access_of_a_leaver_away_again(staff: World) -> None:
    staff.leave("u1")
    staff.synced()
    [(target_id, held)] = [(id_, one) for id_, one in staff.store.users.items() if one.key == "u1"]
    staff.store.users[target_id] = replace(held, attributes=held.attributes | {"status": "here"})
    staff.now = THEN + timedelta(days=3)
    assert staff.synced(verify=True).counts.users.deactivate == 1
    assert of(staff, "u1") == LEFT
    assert staff.synced(verify=True).counts.total == 0


def test_an_inactive_user_who_gets_access_again_counts_as_reactivated(staff: World) -> None:
    [(target_id, held)] = [(id_, one) for id_, one in staff.store.users.items() if one.key == "u1"]
    staff.store.users[target_id] = replace(held, attributes=held.attributes | {"status": "left"})
    counts = staff.synced(verify=True).counts.users
    assert (counts.reactivate, counts.update) == (1, 0)
    assert of(staff, "u1") == HERE


def test_returning_leavers_are_not_held_for_emptied_leaver_attributes(staff: World) -> None:
    guard = Guard(reactivations=None)
    staff.target(users=USERS, leaving=LEAVING, guard=NO_LIMITS)
    many = [f"m{number}" for number in range(12)]
    staff.people(*many)
    staff.synced()
    staff.leave(*many)
    staff.synced()
    staff.target(users=USERS, leaving=LEAVING, guard=guard)
    staff.people(*many)
    assert staff.synced().counts.users.reactivate == 12


def test_an_account_with_the_attributes_of_a_leaver_is_not_adopted_without_consent(world: World) -> None:
    world.target(users=USERS, leaving=LEAVING)
    world.store.insert(Kind.USER, MemoryObject("", "u1", {"uid": "u1", "name": "Ada", **LEFT}))
    world.people("u1")
    [failed] = world.run().targets[0].failed
    assert "inactive object" in failed.error
