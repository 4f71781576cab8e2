"""``validFrom`` and ``validUntil`` decide who is active at the moment of a delivery."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.model import Guard
from usersyncd.deliver.shape import shape_each
from usersyncd.state.candidates import Selection
from usersyncd.state.drift import Drift
from usersyncd.state.tables import moments

pytestmark = ON_SQLITE

LAST_DAY, NEXT_DAY = datetime(2026, 3, 31, 12, tzinfo=UTC), datetime(2026, 4, 1, 0, tzinfo=UTC)


def active(world: World) -> dict[str, bool]:
    return {key: held["active"] for key, held in world.held().items()}


def test_a_contractor_is_deactivated_by_the_first_delivery_after_the_end_date(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", title="user.title"))
    world.people("starter", validFrom="2026-04-01")
    world.people("contractor", validUntil="2026-03-31")
    world.people("other")
    world.now = LAST_DAY
    world.synced()
    assert active(world) == {"starter": False, "contractor": True, "other": True}
    world.now = NEXT_DAY
    counts = world.synced().counts.users
    assert (counts.deactivate, counts.reactivate) == (1, 1)
    assert active(world) == {"starter": True, "contractor": False, "other": True}


def test_the_state_stores_until_when_a_shape_holds(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.people("other")
    world.now = LAST_DAY
    world.synced()
    [target] = world.job.targets
    with world.database.read() as connection, closing(Drift()) as drift:
        selection = Selection(1, 1, None, None, drift)
        [(_, page)] = shape_each(connection, target.rules, selection, LAST_DAY)
    assert {shaped.candidate.id: shaped.until for shaped in page} == {"contractor": NEXT_DAY, "other": None}


def test_a_date_makes_a_delivery_due_without_a_pull(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.now = LAST_DAY
    first = world.deliver()
    assert (first.due, active(world)) == (None, {}), "nothing was pulled yet"
    world.synced()
    held = world.deliver(cause="interval")
    assert held.targets[0].counts.total == 0
    world.now = NEXT_DAY
    due = world.deliver(cause="date")
    assert due.targets[0].counts.users.deactivate == 1
    assert active(world) == {"contractor": False}
    assert world.deliver(cause="date").targets[0].counts.total == 0


def test_a_target_says_when_it_is_due(world: World) -> None:
    world.people("starter", validFrom="2026-04-01")
    world.people("contractor", validUntil="2026-04-30")
    world.now = LAST_DAY
    world.synced()
    assert world.deliver().due == "2026-04-01T00:00:00+00:00"
    world.now = NEXT_DAY
    assert world.deliver().due == "2026-05-01T00:00:00+00:00"
    world.now = datetime(2026, 5, 1, tzinfo=UTC)
    assert world.deliver().due is None


def test_a_stored_date_is_dropped_when_the_record_or_the_rule_changes(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.now = LAST_DAY
    world.synced()
    world.people("contractor", validUntil="2027-03-31")
    world.synced()
    assert world.deliver().due == "2027-04-01T00:00:00+00:00"
    world.target(users=rules(None, "uid", uid="user.id", active="true"))
    world.synced()
    assert world.deliver().due is None


def test_the_guard_covers_changes_that_a_date_makes_due(world: World) -> None:
    world.target(guard=Guard())
    world.people(*(f"u{number}" for number in range(20)), validUntil="2026-03-31")
    world.now = LAST_DAY
    world.synced()
    world.now = NEXT_DAY
    assert world.deliver(cause="date").status == "held"
    assert all(active(world).values())


def test_a_delivery_after_the_clock_was_ahead_follows_the_dates_again(world: World) -> None:
    world.people("starter", validFrom="2028-04-01")
    world.people("contractor", validUntil="2027-03-31")
    world.people("other")
    right = {"starter": False, "contractor": True, "other": True}
    world.now = LAST_DAY
    world.synced()
    assert active(world) == right
    world.now = datetime(2030, 3, 31, tzinfo=UTC)
    world.synced()
    assert active(world) == {"starter": True, "contractor": False, "other": True}
    world.now = NEXT_DAY
    back = world.deliver(cause="pull")
    assert (back.due, active(world)) == ("2027-04-01T00:00:00+00:00", right)
    world.now = NEXT_DAY + timedelta(hours=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usersyncd.deliver.run.prepare", None)  # A delivery that finds nothing to do does not prepare.
        assert world.deliver(cause="pull").status == "succeeded"
    world.now = datetime(2027, 4, 1, tzinfo=UTC)
    world.deliver(cause="date")
    assert active(world) == {"starter": False, "contractor": False, "other": True}


def test_a_delivery_that_is_held_after_the_clock_was_ahead_is_planned_again(world: World) -> None:
    world.people(*(f"u{number}" for number in range(20)), validFrom="2028-04-01")
    world.now = datetime(2030, 3, 31, tzinfo=UTC)
    world.synced()
    world.target(guard=Guard())
    world.now = NEXT_DAY
    held = [world.deliver(cause="pull").status for _ in range(2)]
    assert held == ["held", "held"]
    world.decide()
    world.deliver(cause="approval")
    assert not any(active(world).values())


# ---- the moments that the state stores


def moments_of(world: World) -> int:
    with world.database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(moments)) or 0)


def test_the_date_of_somebody_who_never_came_to_the_target_goes_with_the_record(world: World) -> None:
    where = "user.validFrom == null || timestamp(user.validFrom) < now()"
    world.target(users=rules(where, "uid", uid="user.id"))
    world.people("starter", validFrom="2026-04-01T00:00:00Z")
    world.people("other")
    world.now = LAST_DAY
    world.synced()
    assert (active(world), moments_of(world)) == ({"other": True}, 1)
    world.leave("starter")
    world.synced()
    assert moments_of(world) == 0
    assert world.deliver().due is None


def test_the_dates_of_a_directory_go_with_it(world: World) -> None:
    """It was delivered under its new name before anybody wrote `was`: the two become one directory."""
    where = "user.validFrom == null || timestamp(user.validFrom) < now()"
    world.target(users=rules(where, "uid", uid="user.id"))
    world.people("starter", validFrom="2026-04-01T00:00:00Z")
    world.people("other")
    world.now = LAST_DAY
    world.synced()
    world.leave("other")
    world.name = "neu"
    world.target(users=rules(where, "uid", uid="user.id"))
    world.synced()
    world.was = "acme"
    world.synced()
    assert moments_of(world) == 1


def test_a_date_of_a_directory_that_a_target_no_longer_lists_is_due_once(world: World) -> None:
    where = "user.validFrom == null || timestamp(user.validFrom) < now()"
    world.target(users=rules(where, "uid", uid="user.id"))
    world.people("starter", validFrom="2026-04-01T00:00:00Z")
    world.now = LAST_DAY
    world.synced()
    world.unlisted = {"app"}
    world.now = NEXT_DAY + timedelta(hours=1)
    assert world.deliver().due is None
    assert (active(world), moments_of(world)) == ({}, 0)
