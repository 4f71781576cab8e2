"""``validFrom`` and ``validUntil`` decide who is active at the moment of a delivery."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.deliver.shape import shape_users
from usersyncd.state.drift import Drift
from usersyncd.state.subjects import Scope

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
    for number, user in enumerate(world.directory.users.values()):
        user["title"] = f"title {number}"
    counts = world.synced().counts.users
    assert (counts.deactivate, counts.reactivate) == (1, 1)
    assert active(world) == {"starter": True, "contractor": False, "other": True}


def test_a_shape_says_until_when_it_holds(world: World) -> None:
    world.people("contractor", validUntil="2026-03-31")
    world.people("other")
    world.now = LAST_DAY
    world.synced()
    [target] = world.job.targets
    with world.database.read() as connection, closing(Drift()) as drift:
        scope = Scope(1, 1, None, None, drift)
        [page] = shape_users(connection, target.rules, scope, LAST_DAY)
    assert {shaped.subject.id: shaped.until for shaped in page} == {"contractor": NEXT_DAY, "other": None}
