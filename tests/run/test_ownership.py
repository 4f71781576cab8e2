"""An object belongs to one record: a target that answers a create with somebody's object changes no link."""

from __future__ import annotations

import pytest

from tests.run.world import ON_SQLITE, World
from usersyncd.plugin import Kind
from usersyncd.state import plan_batches

pytestmark = ON_SQLITE


def merging(world: World, into: str) -> None:
    """From now on the store answers every create with this object, as a provider that knows people by their address."""
    world.store.insert = lambda kind, made: into  # type: ignore[method-assign]


@pytest.fixture(params=["one by one", "columns"])
def town(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    if request.param == "columns":
        monkeypatch.setattr(plan_batches, "MANY", 1)
    return world


def test_a_create_that_is_answered_with_the_object_of_another_record_is_refused(town: World) -> None:
    town.people("ann")
    town.synced()
    merging(town, "m1")
    town.people("ben")
    report = town.run()
    [failed] = report.targets[0].failed
    assert (failed.id, report.status) == ("ben", "partial")
    assert "the target answered with user m1, the object of user ann of acme" in failed.error
    assert report.targets[0].counts.users.create == 0


def test_the_record_that_has_the_object_keeps_it(town: World) -> None:
    town.people("ann")
    town.synced()
    merging(town, "m1")
    town.people("ben")
    town.run()
    town.leave("ben")
    town.run()
    assert town.held()["ann"]["active"] is True, "it is not ben's"
    town.leave("ann")
    town.run()
    assert town.held()["ann"]["active"] is False


def test_two_creates_that_are_answered_with_one_object_do_not_share_it(town: World) -> None:
    town.people("ann")
    town.synced()
    merging(town, "m9")
    town.people("ben", "cid")
    report = town.run()
    [failed] = report.targets[0].failed
    assert failed.id == "cid"
    assert "the target answered with user m9, the object of user ben of acme" in failed.error


def test_groups_do_not_share_an_object(world: World) -> None:
    world.group("staff")
    world.synced()
    merging(world, "m1")
    world.group("guests")
    [failed] = world.run().targets[0].failed
    assert (failed.kind, failed.id) == (Kind.GROUP, "guests")


@pytest.mark.usefixtures("reused_ids")
def test_an_id_that_is_given_again_belongs_to_the_new_object(town: World) -> None:
    """The row with this id was deleted by somebody else."""
    town.people("ann")
    town.synced()
    town.store.users.clear()
    town.store.serial = 0
    town.people("ben")
    assert town.run().targets[0].failed == []
    assert list(town.held()) == ["ben"]
    town.run()
    assert sorted(town.held()) == ["ann", "ben"], "ann gets another object"
