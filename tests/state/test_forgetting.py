"""What the state database deletes: old runs with their journal, and records that no target holds any more."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select

from tests.run.items import NOON
from tests.run.world import World
from usersyncd.plugin import Kind
from usersyncd.state import journal
from usersyncd.state.columns import NUMBER
from usersyncd.state.tables import journal as journal_table
from usersyncd.state.tables import names, records

AT_ONCE = timedelta(0)


def run_on(world: World, day: float) -> str:
    """Run on a day, with one new user, and return the id of the delivery."""
    world.now = NOON + timedelta(days=day)
    world.user(f"on day {day}")
    report = world.run()
    return report.targets[0].run or report.run if report.targets else report.run


def kept(world: World) -> list[str]:
    """Return the deliveries that are kept, newest first, and check that each has its entry in the journal."""
    with world.database.read() as connection:
        runs = [report.run for report in journal.history(connection, 99, kinds=[journal.RunKind.DELIVERY])]
        assert [len(list(journal.entries(connection, run))) for run in runs] == [1] * len(runs)
        assert connection.scalar(select(func.count()).select_from(journal_table)) == len(runs)
    return runs


def test_runs_and_their_journal_are_kept_for_90_days(world: World) -> None:
    runs = [run_on(world, day) for day in range(0, 96, 5)]
    assert kept(world) == runs[1:][::-1]


@pytest.mark.parametrize("wrong", [400, -400])
def test_a_clock_that_was_wrong_once_does_not_empty_the_history(world: World, wrong: int) -> None:
    days = [0, 5, 10, 15, 20, 20 + wrong, 20.1, 20.2, 20.3]
    runs = [run_on(world, day) for day in days]
    assert kept(world) == runs[::-1]


def test_runs_are_ordered_by_when_they_ran_not_by_their_dates(world: World) -> None:
    """A run that was dated in the future does not hide later runs."""
    ahead, now = run_on(world, 400), run_on(world, 1)
    world.directory.faults.down = True
    failed = run_on(world, 2)
    with world.database.read() as connection:
        ids = [report.run for report in journal.history(connection, 9, world.name)]
        assert [id_ for id_ in ids if id_ in (failed, now, ahead)] == [failed, now, ahead]
        last = partial(journal.last, connection, world.name)
        assert last(NOON + timedelta(days=500), "succeeded") == (NOON + timedelta(days=1)).isoformat()
        assert last(NOON + timedelta(days=500), "failed") == (NOON + timedelta(days=2)).isoformat()


def test_a_success_that_is_dated_in_the_future_does_not_count(world: World) -> None:
    """It would look recent for a year, even if every later run failed."""
    run_on(world, 1)
    run_on(world, 400)
    with world.database.read() as connection:
        last = journal.last(connection, world.name, NOON + timedelta(days=2), "succeeded")
    assert last == (NOON + timedelta(days=1)).isoformat()


def known(world: World, kind: Kind = Kind.USER) -> set[str]:
    with world.database.read() as connection:
        return set(connection.scalars(select(records.c.id).where(records.c.kind == NUMBER[kind])))


def test_a_leaver_is_forgotten_when_no_target_holds_the_user_any_more(world: World) -> None:
    world.target("app", delete_after=AT_ONCE)
    world.target("late", delete_after=AT_ONCE)
    world.user("u1")
    world.user("u2")
    world.group("g1", "u1", "u2")
    world.run()
    world.directory.remove(Kind.USER, "u2")
    world.stores["late"].faults.down = True
    assert world.run().status == "failed"
    assert set(world.held(name="app")) == {"u1"}
    assert set(world.held(name="late")) == {"u1", "u2"}
    assert known(world) == {"u1", "u2"}, "the other target has not received the deletion yet"
    world.stores["late"].faults.down = False
    world.run()
    assert set(world.held(name="late")) == {"u1"}
    assert known(world) == {"u1"}
    with world.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(names)) == 2


def test_a_leaver_that_a_target_keeps_is_not_forgotten(world: World) -> None:
    world.user("u1")
    world.user("u2")
    world.run()
    world.directory.remove(Kind.USER, "u2")
    for _ in range(2):
        world.run()
        assert world.held()["u2"]["active"] is False
        assert known(world) == {"u1", "u2"}


def test_a_deleted_group_is_forgotten(world: World) -> None:
    world.user("u1")
    world.group("g1", "u1")
    world.group("g2", "u1")
    world.run()
    world.directory.remove(Kind.GROUP, "g1")
    world.run()
    assert known(world, Kind.GROUP) == {"g2"}
    assert world.members() == {"g2": {"u1"}}
