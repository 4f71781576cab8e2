"""What the guard measures a plan against is counted at a cost that small deliveries can bear."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from tests.run.world import ON_SQLITE, World
from usersyncd.state.holdings import holdings

pytestmark = ON_SQLITE


def test_the_members_are_counted_from_the_groups_of_the_target(world: World) -> None:
    """Looked for among all records of the directory, the groups of 100,000 people took a second."""
    world.people("u1", "u2")
    world.group("g1", "u1", "u2")
    world.group("g2")
    world.synced()
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        asked.append((statement, parameters))

    with world.database.read() as connection:
        held = holdings(connection, 1, 1)
        assert (held.users, held.active, held.groups) == (2, 2, 2)
        assert (held.memberships, held.groups_with_members) == (2, 1)
        assert holdings(connection, 2, 1).memberships == 0
        [statement, parameters] = next(one for one in asked if "FROM link_members" in one[0])
        first, *_ = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert first.detail == "SEARCH link_members USING PRIMARY KEY (target=?)"
