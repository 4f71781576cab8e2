"""A target that refuses most changes is tried with a few of them, until it takes one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.run.world import ON_SQLITE, World
from usersyncd.core.report import DeliveryRun
from usersyncd.options import RunOptions
from usersyncd.pull.run import pull
from usersyncd.state import quarantine
from usersyncd.state.quarantine import Quarantine

pytestmark = ON_SQLITE
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PEOPLE = [f"p{number:02}" for number in range(60)]


def follow(world: World, minutes: int = 15) -> DeliveryRun:
    """Pull and deliver as the daemon does, some minutes later."""
    world.now = (world.now or NOON) + timedelta(minutes=minutes)
    asyncio.run(pull(world.database, world.folder, world.job, RunOptions(log=False), "interval"))
    return world.deliver(cause="interval")


def quarantined(world: World) -> Quarantine | None:
    with world.database.read() as connection:
        return quarantine.by_name(connection).get("app")


@pytest.fixture
def refusing(world: World) -> World:
    """A target that refused 30 of 60 people."""
    world.people(*PEOPLE)
    world.store.faults.refuse = set(PEOPLE[:30])
    report = follow(world)
    assert any("quarantined: it refused 30 of 60 changes" in note for note in report.notes)
    return world


@pytest.mark.parametrize(("people", "refused"), [(60, 23), (49, 49)], ids=["a third", "few"])
def test_a_target_that_refuses_some_is_not_quarantined(world: World, people: int, refused: int) -> None:
    world.people(*PEOPLE[:people])
    world.store.faults.refuse = set(PEOPLE[:refused])
    follow(world)
    assert quarantined(world) is None
    assert len(world.held()) == people - refused


def test_other_people_are_delivered(refusing: World) -> None:
    assert len(refusing.held()) == 30
    found = quarantined(refusing)
    assert found is not None
    assert found.reason == "it refused 30 of 60 changes"


def test_a_quarantined_target_gets_a_few_changes(refusing: World) -> None:
    report = follow(refusing)
    assert "quarantined" in str(report.error)
    assert "it was tried with 5, and refused all of them" in str(report.error)
    assert quarantined(refusing) is not None


def test_new_people_are_not_held_up_by_those_that_are_refused(refusing: World) -> None:
    follow(refusing)
    refusing.people("new")
    report = follow(refusing)
    assert report.error is None
    assert "new" in refusing.held()
    assert quarantined(refusing) is None, "it took a change"


def test_the_quarantine_ends_when_the_target_takes_a_change(refusing: World) -> None:
    refusing.store.faults.refuse = set()
    report = follow(refusing)
    assert report.error is None
    assert len(refusing.held()) == 60, "after the probe, all others are sent in the same delivery"
    assert quarantined(refusing) is None


@pytest.fixture
def full(world: World) -> World:
    """A target that has no seat left: it took ten people, and refuses every new one."""
    world.people(*(f"old{number}" for number in range(10)), email="staff")
    world.group("staff", "old1", "old2")
    follow(world)
    world.store.faults.refuse = {"newcomer"}
    world.people(*PEOPLE, email="newcomer")
    assert any("quarantined" in note for note in follow(world).notes)
    return world


def test_a_leaver_loses_access_to_a_quarantined_target(full: World) -> None:
    full.leave("old0")
    full.people("more", email="newcomer")
    report = follow(full)
    assert full.held()["old0"]["active"] is False
    assert "it was tried with 5, and refused all of them" in str(report.error)
    assert quarantined(full) is not None, "the new people are still refused"
    assert report.targets[0].counts.users.deactivate == 1


def test_a_suspended_person_loses_access_to_a_quarantined_target(full: World) -> None:
    full.user("old3", email="staff", active=False)
    full.people("more", email="newcomer")
    follow(full)
    assert full.held()["old3"]["active"] is False


def test_a_member_is_removed_in_a_quarantined_target(full: World) -> None:
    full.group("staff", "old1")
    follow(full)
    assert full.members() == {"staff": {"old1"}}


def test_a_leaver_ends_the_quarantine_if_nothing_else_is_to_be_sent(full: World) -> None:
    follow(full)
    full.leave("old0")
    report = follow(full, minutes=1)
    assert report.error is None
    assert quarantined(full) is None, "it took a change"


def test_a_target_that_refuses_even_leavers_gets_few_other_changes(full: World) -> None:
    full.leave("old0")
    full.store.faults.refuse = {"newcomer", "old0"}
    report = follow(full)
    assert "it was tried with 5, and refused all of them" in str(report.error)
    full.store.faults.refuse = {"newcomer"}
    follow(full)
    assert full.held()["old0"]["active"] is False, "the next delivery sends it again"


def test_a_leaver_loses_access_although_refusals_end_each_delivery(world: World) -> None:
    """Some targets end a delivery after a few refusals in a row. The next one begins with what takes access away."""
    world.people("old0", "old1", email="staff")
    follow(world)
    world.people(*PEOPLE, email="newcomer")
    world.store.faults.refuse = {"newcomer"}
    world.store.faults.die_after = 3
    assert follow(world).error is not None
    found = quarantined(world)
    assert found is not None
    assert found.reason == "it refused all of 3 changes, and the delivery ended early"
    world.leave("old0")
    world.store.faults.die_after = 3
    assert follow(world).error is not None
    assert world.held()["old0"]["active"] is False
    world.store.faults.refuse, world.store.faults.die_after = set(), None
    assert follow(world).error is None
    assert (len(world.held()), quarantined(world)) == (62, None)


def test_an_outage_is_not_a_quarantine(world: World) -> None:
    world.people(*PEOPLE)
    world.store.faults.die_after = 0
    assert follow(world).error is not None
    assert quarantined(world) is None
