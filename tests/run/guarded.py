"""A company under a guard, for tests of what the guard holds and of what people decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.run.items import NOON
from tests.run.world import World
from usersyncd.core.guard import Sort
from usersyncd.core.model import Guard
from usersyncd.core.report import Counts, TargetReport
from usersyncd.state.approvals import held_shares
from usersyncd.state.tables import decided, harms, records

AT_ONCE = timedelta(0)
EVERYBODY = [f"u{number:03}" for number in range(100)]
FORTY = EVERYBODY[:40]
TWENTY = EVERYBODY[:20]


def company(world: World, people: Sequence[str] = EVERYBODY, groups: int = 1, **target: Any) -> None:
    """Sync a company of people, who are members of every group."""
    world.people(*people, title="Cook")
    for number in range(groups):
        world.group(f"g{number:02}", *people)
    world.directory.page_size = 50
    world.target(**target)
    world.synced()


@pytest.fixture
def forty(world: World) -> World:
    """A company of a hundred people. Forty of them left, and the guard holds that."""
    world.now = NOON
    company(world, guard=Guard(member_removals=None))
    world.leave(*FORTY)
    held(world)
    return world


def held(world: World, **asked: Any) -> TargetReport:
    """Run, check that the run is held and changed nothing in the target, and return the target's report."""
    before = dict(world.store.users), dict(world.store.groups), set(world.store.memberships)
    report = world.run(**asked)
    assert report.status == "held"
    [target] = report.targets
    assert target.held
    assert target.counts == Counts()
    assert (world.store.users, world.store.groups, world.store.memberships) == before
    return target


def later(world: World, hours: float) -> None:
    """Move the clock of the runs forward."""
    world.now = (world.now or NOON) + timedelta(hours=hours)


def stored(world: World) -> set[tuple[object, ...]]:
    """The harms that the state holds: the limit with the attribute, the record, and how many members."""
    query = select(harms.c.sort, harms.c.attribute, records.c.id, harms.c.members)
    with world.database.read() as connection:
        rows = connection.execute(query.join(records, records.c.ref == harms.c.ref)).all()
        assert len(rows) == connection.scalar(select(func.count()).select_from(harms)), "a record was forgotten"
    return {
        (f"{Sort(sort).limit} {attribute}".rstrip(), id_, *([len(members) // 4] if members else []))
        for sort, attribute, id_, members in rows
    }


def identities(world: World, name: str = "app") -> list[str]:
    """Return the identities of the changes that wait for a decision."""
    with world.database.read() as connection:
        return [one for share in held_shares(connection) if share.share.target_name == name for one in share.identities]


def undelivered(world: World) -> set[str]:
    """Return the identities of decided changes that are not delivered yet."""
    with world.database.read() as connection:
        return set(connection.scalars(select(decided.c.identity)))


def inactive(world: World, name: str = "app") -> set[str]:
    return {key for key, shape in world.held(name=name).items() if shape["active"] is False}
