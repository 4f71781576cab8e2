"""A target in which the key of a user is an address, which may change, and the key of a group a name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.run.world import World, rules
from usersyncd.core.report import RunReport

BY_ADDRESS = rules(None, "email", email="user.email", name="user.displayName", ref="user.id")
BY_NAME = rules(None, "name", name="group.displayName", ref="group.id")


@pytest.fixture
def town(world: World) -> World:
    """A world with address and name as keys."""
    world.target(users=BY_ADDRESS, groups=BY_NAME)
    return world


def person(world: World, id_: str, address: str, name: str | None = None) -> None:
    world.user(id_, email=f"{address}@x", displayName=name or f"name of {id_}")


def objects(world: World) -> dict[str, tuple[str, str, bool]]:
    """Return address, record id and whether it is active of each object, by target id."""
    return {
        target_id: (
            str(held.key).removesuffix("@x"),
            str(held.attributes["ref"]),
            held.attributes.get("active") is not False,
        )
        for target_id, held in world.store.users.items()
    }


def stamp(world: World) -> dict[str, str]:
    """Set a password for every object, and return the passwords by target id."""
    for target_id, held in world.store.users.items():
        held.foreign.setdefault("password", f"secret of {target_id}")
    return {target_id: str(held.foreign["password"]) for target_id, held in world.store.users.items()}


def failed(report: RunReport) -> dict[str, str]:
    [target] = report.targets
    return {failure.id: failure.error for failure in target.failed}


def is_quiet(world: World, **asked: Any) -> bool:
    return world.synced(**asked).counts.total == 0
