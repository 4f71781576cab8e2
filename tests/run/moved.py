"""Targets that move: copies of a store, and which of them a target points to."""

from __future__ import annotations

from copy import deepcopy

from tests.run.world import World
from usersyncd.testing import MemoryStore


def copy_of(store: MemoryStore, identity: str) -> MemoryStore:
    """Return a store with the same objects under another identity."""
    return MemoryStore(
        identity, deepcopy(store.users), deepcopy(store.groups), set(store.memberships), serial=store.serial
    )


def points_to(world: World, store: MemoryStore, name: str = "app") -> None:
    world.stores[name] = store
    world.target(name)


def active(store: MemoryStore) -> set[str]:
    return {str(held.key) for held in store.users.values() if held.attributes["active"]}
