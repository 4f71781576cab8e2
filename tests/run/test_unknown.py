"""Objects of records that the state does not have: it was restored from an older backup."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from tests.run.world import ON_SQLITE, World, rules
from usersyncd.core.digest import name
from usersyncd.core.model import Guard
from usersyncd.core.protection import protected_keys
from usersyncd.plugin import Kind
from usersyncd.state.database import open_database
from usersyncd.state.tables import directories, links, names, records


def back_up(world: World) -> Path:
    world.database.close()
    copy = world.folder / "backup.db"
    shutil.copy(world.folder / "state.db", copy)
    world.database = open_database(world.url)
    return copy


def restore(world: World, copy: Path) -> None:
    world.database.close()
    for file in ("state.db-wal", "state.db-shm"):
        (world.folder / file).unlink(missing_ok=True)
    shutil.copy(copy, world.folder / "state.db")
    world.database = open_database(world.url)


@pytest.fixture
def restored(world: World) -> World:
    """Zoe and the group ``new`` were added and deleted after the backup of the state."""
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.synced()
    copy = back_up(world)
    world.people("zoe", "yan")
    world.group("new", "zoe")
    world.group("staff", "ann", "bob", "zoe")
    world.synced()
    world.leave("zoe", "new")
    world.leave("new", kind=Kind.GROUP)
    world.group("staff", "ann", "bob")
    restore(world, copy)
    return world


@ON_SQLITE
def test_objects_of_unknown_records_become_leavers(restored: World) -> None:
    found = restored.synced()
    assert (found.counts.users.deactivate, found.counts.users.adopt, found.counts.groups.delete) == (1, 1, 1)
    assert restored.held()["zoe"]["active"] is False
    assert restored.held(Kind.GROUP).keys() == {"staff"}
    assert restored.members() == {"staff": {"ann", "bob"}}
    assert restored.synced().counts.total == 0


@ON_SQLITE
def test_objects_of_unknown_records_are_deleted_as_leavers_are(restored: World) -> None:
    restored.target(delete_after=timedelta(0))
    restored.synced()
    assert restored.held().keys() == {"ann", "bob", "yan"}
    assert restored.synced().counts.total == 0


@ON_SQLITE
def test_a_plan_shows_them_and_changes_nothing(restored: World) -> None:
    plan = restored.plan().targets[0]
    assert (plan.counts.users.deactivate, plan.counts.groups.delete) == (1, 1)
    assert restored.held()["zoe"].get("active") is not False
    assert restored.synced().counts.users.deactivate == 1


@ON_SQLITE
def test_the_guard_counts_objects_of_unknown_records(restored: World) -> None:
    restored.target(guard=Guard(at_least=1))
    report = restored.run()
    assert report.status == "held"
    assert {limit.limit for limit in report.targets[0].guard} >= {"deactivations"}
    assert restored.run().status == "held"


@ON_SQLITE
def test_an_unknown_record_that_returns_keeps_its_object(restored: World) -> None:
    restored.synced()
    restored.user("zoe", title="Pilot")
    found = restored.synced()
    assert (found.counts.users.create, found.counts.users.reactivate + found.counts.users.update) == (0, 1)
    assert restored.held()["zoe"]["title"] == "Pilot"


@ON_SQLITE
def test_a_protected_object_of_an_unknown_record_is_left_alone(restored: World) -> None:
    restored.target(protect={Kind.USER: protected_keys(["zoe"]), Kind.GROUP: protected_keys([])})
    found = restored.run().targets[0]
    assert found.counts.users.deactivate == 0
    assert [one.id for one in found.failed] == ["new"], "the group in which the protected one is"
    assert restored.held()["zoe"].get("active") is not False


@ON_SQLITE
def test_other_changes_since_the_backup_are_found_by_a_verification(world: World) -> None:
    world.people("ann", title="Engineer")
    world.synced()
    copy = back_up(world)
    world.people("ann", title="Queen")
    world.people("zoe")
    world.synced()
    world.people("ann", title="Engineer")
    world.leave("zoe")
    restore(world, copy)
    found = world.synced()
    assert found.verified is not None
    assert (found.counts.users.update, world.held()["ann"]["title"]) == (1, "Engineer")
    assert world.synced().verified is None


@ON_SQLITE
def test_an_unknown_record_is_found_although_another_object_is_missing(restored: World) -> None:
    """The totals are equal: Yan and Zoe were added, and Ann and Bob were deleted by hand."""
    for target_id in [target_id for target_id, held in restored.store.users.items() if held.key in ("ann", "bob")]:
        restored.store.delete(Kind.USER, target_id)
    restored.synced()
    held = restored.held()
    assert {key: one["active"] for key, one in held.items()} == {"ann": True, "bob": True, "yan": True, "zoe": False}


@ON_SQLITE
def test_an_incremental_pull_makes_no_record_a_leaver(world: World) -> None:
    world.directory.incremental = True
    world.people("ann")
    world.synced()
    copy = back_up(world)
    world.people("zoe")
    world.synced()
    world.leave("zoe")
    restore(world, copy)
    assert world.synced().counts.users.deactivate == 0
    assert world.synced(complete=True).counts.users.deactivate == 1


@ON_SQLITE
def test_objects_that_name_no_record_are_left_alone(world: World) -> None:
    by_id = rules(None, "login", login="user.id")
    world.target(users=by_id)
    world.people("ann")
    world.synced()
    copy = back_up(world)
    world.people("zoe")
    world.synced()
    world.leave("zoe")
    restore(world, copy)
    assert world.synced().counts.total == 0


@ON_SQLITE
def test_after_a_lost_state_the_first_run_adopts_and_the_second_finds_leavers(world: World) -> None:
    world.people("ann", "zoe")
    world.synced()
    world.leave("zoe")
    world.database.close()
    for file in world.folder.glob("state.db*"):
        file.unlink()
    world.database = open_database(world.url)
    first, then = world.synced().counts.users, world.synced().counts.users
    assert (first.adopt, first.deactivate, then.adopt, then.deactivate) == (1, 0, 0, 1)


def test_unknown_records_are_found_with_the_state_on_either_database(world: World) -> None:
    world.people("ann", "zoe")
    world.synced()
    with world.database.write() as connection:
        forgotten = select(records.c.ref).where(records.c.id == "zoe")
        connection.execute(delete(links).where(links.c.ref.in_(forgotten)))
        connection.execute(delete(records).where(records.c.id == "zoe"))
        connection.execute(delete(names).where(names.c.name == name("zoe")))
        connection.execute(update(directories).values(users=1))
    world.leave("zoe")
    assert world.synced().counts.users.deactivate == 1
    assert world.synced().counts.total == 0


def test_a_complete_run_creates_an_object_that_was_deleted_in_the_target(world: World) -> None:
    world.people("ann", "bob")
    world.group("staff", "ann", "bob")
    world.synced()
    [target_id] = [id_ for id_, held in world.store.users.items() if held.key == "bob"]
    world.store.delete(Kind.USER, target_id)
    assert world.synced(complete=True).counts.users.create == 1
    assert world.members() == {"staff": {"ann", "bob"}}
    assert world.synced(complete=True).verified is None
