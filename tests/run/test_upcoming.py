"""A plan says what dates will change within the next days, and whether the guard would hold it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.model import Guard
from usersyncd.core.report import Upcoming, Violation

pytestmark = ON_SQLITE

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def upcoming(world: World) -> Upcoming | None:
    [target] = world.run(deliver=False).targets
    return target.upcoming


def test_a_plan_counts_what_is_due(world: World) -> None:
    world.target(users=rules(None, "uid", uid="user.id", title="user.active ? 'here' : 'out'", active="user.active"))
    world.people("starter", validFrom="2026-04-01")
    world.people("contractor", validUntil="2026-04-02")
    world.people("later", validUntil="2026-04-30")
    world.people("other")
    world.now = NOW
    expected = Upcoming("2026-04-03T00:00:00+00:00", deactivate=1, reactivate=1)
    assert upcoming(world) == expected, "before the first delivery"
    world.synced()
    assert upcoming(world) == expected
    world.now = NOW + 10 * DAY
    world.synced()
    assert upcoming(world) is None


def test_nothing_is_due_without_dates(world: World) -> None:
    world.people("other")
    assert upcoming(world) is None


def test_only_a_plan_looks_ahead(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.now = NOW
    [target] = world.run().targets
    assert target.upcoming is None


def test_a_change_of_the_directory_counts_before_it_is_delivered(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.people("other")
    world.now = NOW
    world.synced()
    world.people("contractor", validUntil="2027-03-31")
    world.people("other", validUntil="2026-04-01")
    assert upcoming(world) == Upcoming("2026-04-02T00:00:00+00:00", deactivate=1)


def test_a_change_of_a_rule_evaluated_hourly_is_dated_to_the_hour(world: World) -> None:
    late = 'now() - timestamp(user.validUntil) < duration("24h")'
    world.target(users=rules(None, "uid", uid="user.id", active=f"{late} && string(now()) != user.id"))
    world.people("contractor", validUntil="2026-04-01T00:30:00Z")
    world.now = NOW
    found = upcoming(world)
    assert found is not None
    assert found.deactivate == 1
    moment = datetime(2026, 4, 2, 0, 30, tzinfo=UTC)
    assert moment <= datetime.fromisoformat(found.until) <= moment + timedelta(hours=1)


def test_where_admits_and_excludes_a_user_by_date(world: World) -> None:
    where = "user.validUntil == null || timestamp(user.validUntil) > now()"
    world.target(users=rules(where, "uid", uid="user.id"), delete_after=timedelta(0))
    world.people("contractor", validUntil="2026-04-01T00:00:00Z")
    world.people("other")
    world.now = NOW
    world.synced()
    assert upcoming(world) == Upcoming("2026-04-01T00:00:00+00:00", delete=1)
    world.target(users=rules("timestamp(user.validFrom) <= now()", "uid", uid="user.id"))
    world.people("starter", validFrom="2026-04-02T00:00:00Z")
    world.people("contractor", validFrom="2020-01-01T00:00:00Z")
    world.people("other", validFrom="2020-01-01T00:00:00Z")
    assert upcoming(world) == Upcoming("2026-04-02T00:00:00+00:00", create=1)


def test_a_plan_shows_when_leavers_will_be_deleted(world: World) -> None:
    world.target(delete_after=30 * DAY)
    world.people("leaver", "other")
    world.now = NOW
    world.synced()
    world.leave("leaver")
    world.synced()
    assert upcoming(world) is None
    world.now = NOW + 25 * DAY
    assert upcoming(world) == Upcoming((NOW + 30 * DAY).isoformat(), delete=1)
    world.people("leaver")
    assert upcoming(world) is None, "the plan brings the leaver back"


def test_a_plan_warns_of_due_changes_that_the_guard_will_hold(world: World) -> None:
    world.target(guard=Guard())
    world.people(*(f"u{number}" for number in range(20)), validUntil="2026-03-31")
    world.people(*(f"v{number}" for number in range(20)))
    world.now = NOW
    for _ in ("before the first delivery", "after it"):
        found = upcoming(world)
        assert found is not None
        assert found.guard == [Violation("deactivations", "10%", "50% (20 of 40)")]
        world.synced()
    world.now = NOW + DAY
    assert world.deliver(cause="date").status == "held"


def test_due_changes_spread_over_several_windows_are_not_held(world: World) -> None:
    world.target(guard=Guard(at_least=2))
    for day in range(1, 6):
        world.people(f"u{day}", f"v{day}", validUntil=f"2026-04-0{day}")
    world.people(*(f"w{number}" for number in range(20)))
    world.now = NOW
    found = upcoming(world)
    assert found == Upcoming("2026-04-06T00:00:00+00:00", deactivate=10)
