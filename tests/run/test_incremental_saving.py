"""Saving and planning only the changes has the same result as saving and planning everything."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from tests.run.edits import (
    GROUPS,
    PLAIN,
    RULED,
    TITLES,
    USERS,
    comes_or_is_renamed,
    goes,
    joins_or_changes,
    leaves,
    membership,
    populate,
    swap_logins,
)
from tests.run.world import ON_SQLITE, World
from usersyncd.core.digest import unpack
from usersyncd.core.model import MembershipMode
from usersyncd.plugin import Kind
from usersyncd.state.tables import directories, groups_by_name, memberships, names, records, target_progress

pytestmark = ON_SQLITE

ROUNDS = 4
LOGINS = [f"login:{user}" for user in USERS]


@pytest.mark.parametrize(("seed", "mode"), [(0, "flattened"), (1, "flattened"), (2, "direct")])
def test_an_incremental_pull_stores_the_same_as_a_first_pull(seed: int, mode: MembershipMode, world: World) -> None:
    random = Random(f"{seed} {mode}")
    world.directory.incremental = True
    _deliver_to_one_target(world, seed, mode)
    populate(world, random)
    for number in range(ROUNDS):
        world.run()
        _change(world, random)
        world.store.faults.refuse = set(random.sample(USERS, 1)) if random.random() < 0.3 else set()
        if random.random() < 0.5:
            world.run(deliver=False)
            _change(world, random)
        assert _plan_of_changes(world) == _plan_of_everything(world)
        assert _tables(world) == _tables_of_a_first_pull(world, world.folder / f"first-{number}")
    world.store.faults.refuse = set()
    world.run()
    first = _first_pull(world, world.folder / "first")
    assert (_active(world), world.members()) == (_active(first), first.members())
    first.database.close()


def _deliver_to_one_target(world: World, seed: int, mode: MembershipMode) -> None:
    users, groups = RULED if seed % 2 else PLAIN
    world.target(users=users, groups=groups, memberships=mode)


def _change(world: World, random: Random) -> None:
    """Make up to eight changes of the directory."""
    for _ in range(random.randint(1, 8)):
        user, group = random.choice(USERS), random.choice(GROUPS)
        member = random.choice([*USERS, *GROUPS, *LOGINS])
        edits: list[tuple[Any, ...]] = [
            (joins_or_changes, user, random.choice(TITLES), random.choice([None, *USERS, *LOGINS])),
            (leaves, user),
            (swap_logins, user, random.choice(USERS)),
            (comes_or_is_renamed, group, random.choice(["app", "ops", "hidden"])),
            (goes, group),
            (membership, group, member, True),
            (membership, group, member, False),
        ]
        edit, *arguments = random.choices(edits, weights=[3, 2, 2, 2, 1, 6, 3])[0]
        edit(world, *arguments)


# ---- plans


def _plan_of_changes(world: World) -> list[dict[str, Any]]:
    """The plan of what changed since the last delivery, membership by membership."""
    report = world.plan()
    assert report.error is None, report
    assert report.targets[0].error is None, report
    return World.changes(report)


def _plan_of_everything(world: World) -> list[dict[str, Any]]:
    """Return the plan for a target that never got everything by these rules."""
    mine = select(target_progress.c.fingerprint)
    with world.database.write() as connection:
        fingerprint = connection.scalar(mine)
        connection.execute(update(target_progress).values(fingerprint="another"))
    report = world.plan()
    with world.database.write() as connection:
        connection.execute(update(target_progress).values(fingerprint=fingerprint))
    return World.changes(report)


# ---- tables


def _first_pull(world: World, folder: Path) -> World:
    """Pull the directory into a new state with an empty target."""
    folder.mkdir()
    first = World(folder)
    first.directory = world.directory
    first.targets.clear()
    target = world.targets["app"]
    first.target(users=target.users, groups=target.groups, memberships=target.memberships)
    first.run()
    return first


def _tables_of_a_first_pull(world: World, folder: Path) -> dict[str, Any]:
    first = _first_pull(world, folder)
    try:
        return _tables(first)
    finally:
        first.database.close()


def _tables(world: World) -> dict[str, Any]:
    """Return the snapshot, with ids in place of refs, and without values that depend on when it was saved."""
    with world.database.read() as connection:
        ids = {ref: id_ for ref, id_ in connection.execute(select(records.c.ref, records.c.id))}  # noqa: C416
        return {
            "directory": _rows(connection, directories.c.users, directories.c.groups, directories.c.memberships),
            "records": _records(connection),
            "names": sorted((name, ids[ref], kind) for name, ref, kind in _rows(connection, *_NAMES)),
            "memberships": sorted(_membership(ids, row) for row in _rows(connection, *_MEMBERSHIPS)),
            "groups by name": sorted((name, _ids(ids, refs)) for name, refs in _rows(connection, *_GROUPS)),
        }


_NAMES = (names.c.name, names.c.ref, names.c.kind)
_GROUPS = (groups_by_name.c.name, groups_by_name.c.groups)
_MEMBERSHIPS = (
    memberships.c.ref, memberships.c.users, memberships.c.groups, memberships.c.digest, memberships.c.count,
    memberships.c.unresolved, memberships.c.ambiguous, memberships.c.names,
)  # fmt: skip


def _rows(connection: Connection, *columns: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(*columns))]


def _records(connection: Connection) -> list[tuple[Any, ...]]:
    columns = (
        records.c.kind, records.c.id, records.c.digest, records.c.attributes, records.c.handles, records.c.manager,
    )  # fmt: skip
    here = select(*columns).where(records.c.gone_at.is_(None)).order_by(records.c.kind, records.c.id)
    return [tuple(row) for row in connection.execute(here)]


def _membership(ids: dict[int, str], row: tuple[Any, ...]) -> tuple[Any, ...]:
    ref, users, groups, digest, count, unresolved, ambiguous, own = row
    return ids[ref], _ids(ids, users), _ids(ids, groups), digest, count, unresolved or "", ambiguous or b"", own


def _ids(ids: dict[int, str], refs: bytes) -> list[str]:
    return sorted(ids[ref] for ref in unpack("I", refs))


def _active(world: World) -> dict[Any, dict[str, Any]]:
    return {key: shape for key, shape in world.held(Kind.USER).items() if shape.get("active") is not False}
