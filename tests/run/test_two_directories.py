"""Two directories deliver to one target."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.run.world import World, rules
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import RunReport
from usersyncd.plugin import Kind
from usersyncd.progress import Progress
from usersyncd.state.lock import DIRECTORY, is_locked, locked

NUMBER = 1
"""The target's key in the state."""


@pytest.fixture
def other(world: World) -> Iterator[World]:
    """Another directory, with the same state and the same target: rows are recognised by ``login``."""
    made = World(world.folder, state=world.url)
    made.name = "beta"
    made.stores = world.stores
    world.beside, made.beside = [made], [world]
    for each in (world, made):
        each.target(users=rules(None, "login", login="user.userName"))
    yield made
    made.database.close()


def test_the_record_that_has_a_key_keeps_it(world: World, other: World) -> None:
    world.user("u1", userName="anna")
    other.user("x9", userName="anna")
    assert world.run().status == "succeeded"
    assert_refused(other.run())
    assert set(world.held()) == {"anna"}
    other.leave("x9")
    assert other.run().status == "succeeded"
    assert world.held()["anna"]["active"] is True


def test_two_simultaneous_runs_give_a_key_to_one_record_only(world: World, other: World) -> None:
    """The second one comes when the plan of the first is made, and nothing of it is delivered yet."""
    world.user("u1", userName="anna")
    other.user("x9", userName="anna")
    there, reports = threading.Event(), list[RunReport]()

    def second(progress: Progress) -> None:
        if progress.step == "delivering" or progress.waiting:
            there.set()

    thread = threading.Thread(target=lambda: reports.append(other.run(Progress(second))))

    def first(progress: Progress) -> None:
        if progress.step == "delivering" and progress.count == 0:
            thread.start()
            assert there.wait(60)

    assert world.run(Progress(first)).status == "succeeded"
    thread.join(60)
    assert_refused(*reports)
    other.leave("x9")
    assert other.run().status == "succeeded"
    assert world.held()["anna"]["active"] is True


def test_a_run_that_waits_for_a_target_ends_at_once_when_it_is_stopped(world: World, other: World) -> None:
    world.user("u1", userName="anna")
    other.user("x9", userName="bert")

    async def stopped() -> None:
        task: asyncio.Task[RunReport]

        def watch(progress: Progress) -> None:
            if progress.waiting:
                task.cancel()

        task = asyncio.create_task(other.sync(Progress(watch)))
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        assert task.cancelled()

    with locked(world.database, DIRECTORY, world.name) as lock, lock.at_links(NUMBER):
        asyncio.run(stopped())
        assert not is_locked(other.database, DIRECTORY, other.name)
        assert other.plan().targets[0].planned.total == 1  # who only looks waits for nobody
    assert other.run().status == "succeeded"
    assert set(world.held()) == {"bert"}


@pytest.mark.usefixtures("reused_ids")
def test_a_user_whose_target_id_the_other_directory_got_is_created_again(world: World, other: World) -> None:
    other.user("x9", userName="anna")
    other.synced()
    world.store.delete(Kind.USER, "m1")
    world.store.serial = 0
    world.user("u1", userName="bert")
    world.synced()
    assert {held.key for held in world.store.users.values()} == {"bert"}
    other.synced()
    assert set(world.held()) == {"anna", "bert"}
    assert world.synced().counts.total + other.synced().counts.total == 0


def test_a_missing_object_is_created_although_another_directory_is_not_delivered(world: World, other: World) -> None:
    world.user("u1", userName="anna", title="Cook")
    world.target(users=rules(None, "login", login="user.userName", title="user.title"))
    other.target(users=rules(None, "login", login="user.userName", title="user.title"))
    world.synced()
    other.user("x9", userName="bert")
    other.synced()
    world.store.delete(Kind.USER, "m1")
    world.user("u1", userName="anna", title="Boss")
    assert world.run().status == "succeeded"
    assert set(world.held()) == {"anna", "bert"}


def test_two_directories_exchange_a_key_in_one_delivery(world: World, other: World) -> None:
    world.user("u1", userName="anna")
    other.user("x9", userName="bert")
    world.synced()
    other.synced()
    before = {held.key: target_id for target_id, held in world.store.users.items()}
    world.user("u1", userName="bert")
    other.user("x9", userName="anna")
    acme, beta = world.sync_with(other)
    assert (acme.status, beta.status) == ("succeeded", "succeeded")
    after = {held.key: target_id for target_id, held in world.store.users.items()}
    assert after == {"bert": before["anna"], "anna": before["bert"]}


def test_a_held_directory_keeps_its_keys_and_the_other_is_delivered(world: World, other: World) -> None:
    for each in (world, other):
        each.target(
            users=rules(None, "login", login="user.userName"), guard=Guard(deactivations=Limit(2, False), at_least=1)
        )
    world.people(*(f"u{number}" for number in range(10)))
    for number in range(10):
        world.user(f"u{number}", userName=f"anna{number}")
    other.user("x1", userName="bert")
    world.sync_with(other)
    world.directory.users.clear()
    other.user("x1", userName="berta")
    other.user("x2", userName="anna3")
    acme, beta = world.sync_with(other)
    assert (acme.status, beta.status) == ("held", "partial")
    [failed] = beta.targets[0].failed
    assert failed.id == "x2"
    assert failed.error.startswith("its login 'anna3' belongs to user u3 of acme already")
    assert {key for key, held in world.held().items() if held["active"]} == {
        "berta",
        *(f"anna{number}" for number in range(10)),
    }


def assert_refused(report: RunReport) -> None:
    assert report.status == "partial"
    [failed] = report.targets[0].failed
    assert (failed.id, failed.error) == (
        "x9",
        "its login 'anna' belongs to user u1 of acme already\n"
        "  → correct one of the two; if u1 gave it up, sync acme and beta together",
    )
