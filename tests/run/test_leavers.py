"""Leavers: people who left the directory or the rules, and people who return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.run.world import World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.plugin import Kind

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName", ref="user.id")


def actives(world: World) -> dict[str, bool]:
    return {key: bool(shape["active"]) for key, shape in world.held().items()}


def test_a_leaver_is_deactivated_and_kept_and_loses_every_membership(world: World) -> None:
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.synced()
    world.leave("u2")
    counts = world.synced().counts
    assert (counts.users.deactivate, counts.memberships.remove, counts.total) == (1, 1, 2)
    assert actives(world) == {"u1": True, "u2": False}
    assert world.members() == {"g1": {"u1"}}
    world.now = datetime.now(UTC) + 1000 * DAY
    assert world.synced(complete=True).counts.total == 0


def test_a_leaver_is_deleted_after_the_configured_time_and_not_before(world: World) -> None:
    world.target(delete_after=30 * DAY)
    world.people("u1", "u2")
    world.now = THEN
    world.synced()
    world.leave("u2")
    world.synced()
    world.now = THEN + 30 * DAY - timedelta(seconds=1)
    assert world.synced().counts.total == 0
    assert actives(world) == {"u1": True, "u2": False}
    world.now = THEN + 30 * DAY
    assert world.synced().counts.users.delete == 1
    assert actives(world) == {"u1": True}
    assert world.synced().counts.total == 0


def test_a_leaver_may_be_deleted_at_once(world: World) -> None:
    world.target(delete_after=timedelta(0))
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.synced()
    world.leave("u2")
    counts = world.synced().counts
    assert (counts.users.delete, counts.users.deactivate) == (1, 0)
    assert set(world.held()) == {"u1"}
    assert world.members() == {"g1": {"u1"}}


def test_a_shortened_time_applies_to_earlier_leavers(world: World) -> None:
    world.people("u1", "u2")
    world.now = THEN
    world.synced()
    world.leave("u2")
    world.synced()
    world.target(delete_after=5 * DAY)
    world.now = THEN + 4 * DAY
    assert world.synced().counts.total == 0
    world.now = THEN + 5 * DAY
    assert world.synced().counts.users.delete == 1


def test_a_leaver_who_returns_is_reactivated_and_never_deleted(world: World) -> None:
    world.target(delete_after=30 * DAY)
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.now = THEN
    world.synced()
    world.directory.users.pop("u2")  # The group goes on naming them.
    world.synced()
    world.now = THEN + 10 * DAY
    world.people("u2", title="Boss")
    counts = world.synced().counts
    assert (counts.users.reactivate, counts.memberships.add, counts.total) == (1, 1, 2)
    assert world.held()["u2"] == {"id": "u2", "title": "Boss", "active": True}
    world.now = THEN + 100 * DAY
    assert world.synced().counts.total == 0


def test_a_deleted_leaver_who_returns_is_created(world: World) -> None:
    world.target(delete_after=timedelta(0))
    world.people("u1", "u2")
    world.synced()
    world.leave("u2")
    world.synced()
    world.people("u2")
    assert world.synced().counts.users.create == 1
    assert actives(world) == {"u1": True, "u2": True}


def test_a_leaver_who_returns_under_a_new_id_gets_the_old_object_by_consent_only(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.people("old", email="ada@acme.example", displayName="Ada")
    world.group("g1", "old")
    world.synced()
    world.leave("old")
    world.synced()
    assert actives(world) == {"ada@acme.example": False}
    world.people("new", email="ada@acme.example", displayName="Ada L.")
    world.group("g1", "new")
    report = world.run()
    assert report.status == "partial"
    [failed] = report.targets[0].failed
    assert failed.error == (
        "its email 'ada@acme.example' is that of user old of acme, who left\n"
        "  → check whose it is; to adopt it for this user: `usersyncd sync acme --adopt new`"
    )
    assert actives(world) == {"ada@acme.example": False}
    assert world.members() == {}
    counts = world.synced(adopt=frozenset({"new"})).counts
    assert (counts.users.adopt, counts.users.create, counts.memberships.add) == (1, 0, 1)
    assert world.held() == {"ada@acme.example": {
        "email": "ada@acme.example", "name": "Ada L.", "ref": "new", "active": True,
    }}  # fmt: skip
    assert world.members() == {"g1": {"ada@acme.example"}}
    world.leave("new")
    world.synced()
    assert actives(world) == {"ada@acme.example": False}


def test_an_id_that_changes_in_one_pull_is_one_adoption_without_a_loss_of_access(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.people("old", email="ada@acme.example", displayName="Ada")
    world.group("g1", "old")
    world.synced()
    world.leave("old")
    world.people("new", email="ada@acme.example", displayName="Ada")
    world.group("g1", "new")
    counts = world.synced().counts
    assert (counts.users.adopt, counts.total) == (1, 1)
    assert world.held()["ada@acme.example"]["ref"] == "new"
    assert actives(world) == {"ada@acme.example": True}
    assert world.members() == {"g1": {"ada@acme.example"}}
    assert world.plan().targets[0].planned.total == 0


def test_adoptions_of_many_ids_are_held_by_the_guard(world: World) -> None:
    world.target(users=BY_ADDRESS, guard=Guard(adoptions=Limit(10, True), at_least=2))
    people = {f"u{n}": f"p{n}@acme.example" for n in range(5)}
    for id_, address in people.items():
        world.people(id_, email=address)
    world.synced()
    for id_, address in people.items():
        world.leave(id_)
        world.people(f"new-{id_}", email=address)
    report = world.run()
    assert report.status == "held"
    [limit] = report.targets[0].guard
    assert (limit.limit, limit.found) == ("adoptions", "100% (5 of 5)")
    assert all(shape["ref"] in people for shape in world.held().values())


def test_a_leaver_whose_object_could_not_be_adopted_is_deactivated_in_the_same_run(world: World) -> None:
    world.target(users=BY_ADDRESS)
    world.people("old", email="ada@acme.example")
    world.synced()
    world.leave("old")
    world.people("new", email="ada@acme.example")
    world.store.faults.refuse = {"new"}
    report = world.run()
    assert (report.status, report.targets[0].counts.users.deactivate) == ("partial", 1)
    assert actives(world) == {"ada@acme.example": False}
    world.store.faults.refuse = set()
    report = world.run()
    assert "who left" in report.targets[0].failed[0].error
    assert actives(world) == {"ada@acme.example": False}


def test_a_user_that_the_rules_now_leave_out_is_a_leaver_and_named_with_the_rule(world: World) -> None:
    world.target(users=rules('user.title != "Porter"'))
    world.people("u1", "u2", title="Cook")
    world.synced()
    world.people("u2", title="Porter")
    target = world.synced()
    assert target.counts.users.deactivate == 1
    [skipped] = target.skipped
    assert (skipped.kind, skipped.id, skipped.reason, skipped.at) == (
        Kind.USER, "u2", "left out by users.where", "config.yaml:7",
    )  # fmt: skip
    assert world.held()["u2"] == {"id": "u2", "title": "Cook", "active": False}
    world.people("u2", title="Cook")
    assert world.synced().counts.users.reactivate == 1


def test_a_user_that_the_directory_deactivates_is_deactivated_but_does_not_leave(world: World) -> None:
    world.target(delete_after=timedelta(0))
    world.people("u1", active=True)
    world.synced()
    world.people("u1", active=False)
    assert world.synced().counts.users.deactivate == 1
    world.now = datetime.now(UTC) + 1000 * DAY
    assert world.synced(complete=True).counts.total == 0
    world.people("u1", active=True)
    assert world.synced().counts.users.reactivate == 1


def test_a_leaver_whose_deactivation_is_refused_is_tried_again_until_it_is_done(world: World) -> None:
    world.people("u1", "u2")
    world.synced()
    world.leave("u2")
    world.store.faults.refuse = {"u2"}
    for _ in range(2):
        report = world.run()
        assert report.status == "partial"
        assert [failed.id for failed in report.targets[0].failed] == ["u2"]
        assert actives(world) == {"u1": True, "u2": True}
    world.store.faults.refuse = set()
    assert world.synced().counts.users.deactivate == 1
    assert actives(world) == {"u1": True, "u2": False}
