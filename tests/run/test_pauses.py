"""A record that a target refuses is sent again after pauses that grow, and stops no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.run.world import ON_SQLITE, World
from usersyncd.options import RunOptions
from usersyncd.plugin import Kind
from usersyncd.pull.run import pull

pytestmark = ON_SQLITE
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def town(world: World) -> Iterator[World]:
    world.now = NOON
    world.people("ann", "bob")
    world.store.faults.refuse = {"ann"}
    follow(world)
    yield world
    assert set(world.held()) >= {"bob"}


def follow(world: World) -> None:
    """Pull and deliver as the daemon does."""
    asyncio.run(pull(world.database, world.folder, world.job, RunOptions(log=False), "interval"))
    world.deliver(cause="interval")


def tried(world: World, minutes: float) -> bool:
    """Whether a delivery of the daemon, some minutes later, sends the refused record."""
    world.now = (world.now or NOON) + timedelta(minutes=minutes)
    [report] = world.deliver(cause="interval").targets
    return report.failures > 0


def test_a_refused_record_waits_longer_each_time(town: World) -> None:
    assert tried(town, 0), "the first time it is tried in the next delivery"
    assert not tried(town, 1)
    assert tried(town, 1)
    assert not tried(town, 9)
    assert tried(town, 1)
    assert not tried(town, 29)
    assert tried(town, 1)


def test_other_records_are_delivered_meanwhile(town: World) -> None:
    tried(town, 0)
    town.people("eve")
    follow(town)
    assert "eve" in town.held()
    assert not tried(town, 1), "a delivery of other records does not shorten the pause"
    town.store.faults.refuse = set()
    assert not tried(town, 1)
    assert "ann" in town.held(), "the pause ended"


def test_a_record_that_its_directory_changed_is_sent_at_once(town: World) -> None:
    tried(town, 0)
    town.store.faults.refuse = set()
    town.people("ann", title="Doctor")
    follow(town)
    assert town.held()["ann"]["title"] == "Doctor"
    assert not tried(town, 600)


def test_a_person_who_syncs_does_not_wait(town: World) -> None:
    tried(town, 0)
    town.store.faults.refuse = set()
    town.deliver(cause="manual")
    assert "ann" in town.held()


def test_refusals_are_counted_in_a_row(town: World) -> None:
    tried(town, 0)
    town.store.faults.refuse = set()
    town.deliver(cause="manual")
    town.store.faults.refuse = {"ann"}
    town.people("ann", title="Doctor")
    follow(town)
    assert tried(town, 0), "the count began again"


def test_a_group_waits_with_a_refused_member(town: World) -> None:
    """It gets the member as soon as that exists."""
    town.group("all", "ann", "bob")
    follow(town)
    tried(town, 0)
    town.store.faults.refuse = set()
    town.now = NOON + timedelta(hours=7)
    town.deliver(cause="interval")
    assert town.members()["all"] == {"ann", "bob"}
    assert set(town.held(Kind.GROUP)) == {"all"}
