"""What the state database does not keep for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from ulid import ULID

from tests.run.world import World
from usersyncd.core.report import RunReport
from usersyncd.plugin import Change, Kind, Op
from usersyncd.state import journal
from usersyncd.state.spool import NUMBER
from usersyncd.state.tables import journal as journal_table
from usersyncd.state.tables import names, records

NOW = datetime.now(UTC)
AT_ONCE = timedelta(0)


def past_run(world: World, days: int, directory: str) -> str:
    report = RunReport(
        directory, "memory", str(ULID.from_datetime(NOW - timedelta(days=days))), "succeeded", NOW.isoformat()
    )
    journal.begin(world.database, report)
    created = Change(Op.CREATE, Kind.USER, directory, "u1", "u1", None, {"id": "u1"})
    with world.database.write() as connection:
        journal.write(connection, report.run, "app", 0, [created] * 3, ["{}"] * 3)
    report.finished = NOW.isoformat()
    journal.finish(world.database, report)
    return report.run


def test_runs_and_their_journal_are_kept_for_90_days(world: World) -> None:
    old, recent, other = past_run(world, 91, "acme"), past_run(world, 89, "acme"), past_run(world, 91, "other")
    world.user("u1")
    now = world.run().run
    with world.database.read() as connection:
        assert [report.run for report in journal.history(connection, 9)] == [now, recent]
        assert {len(list(journal.entries(connection, run))) for run in (old, other)} == {0}
        assert len(list(journal.entries(connection, recent))) == 3
        assert connection.scalar(select(func.count()).select_from(journal_table)) == 4


def known(world: World, kind: Kind = Kind.USER) -> set[str]:
    with world.database.read() as connection:
        return set(connection.scalars(select(records.c.id).where(records.c.kind == NUMBER[kind])))


def test_a_leaver_is_forgotten_once_no_target_holds_anything_of_them(world: World) -> None:
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
    assert known(world) == {"u1", "u2"}, "the other target is still to be told"
    world.stores["late"].faults.down = False
    world.run()
    assert set(world.held(name="late")) == {"u1"}
    assert known(world) == {"u1"}
    with world.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(names)) == 2


def test_a_leaver_whom_a_target_keeps_is_not_forgotten(world: World) -> None:
    world.user("u1")
    world.user("u2")
    world.run()
    world.directory.remove(Kind.USER, "u2")
    for _ in range(2):
        world.run()
        assert world.held()["u2"]["active"] is False
        assert known(world) == {"u1", "u2"}


def test_a_group_that_is_gone_is_forgotten(world: World) -> None:
    world.user("u1")
    world.group("g1", "u1")
    world.group("g2", "u1")
    world.run()
    world.directory.remove(Kind.GROUP, "g1")
    world.run()
    assert known(world, Kind.GROUP) == {"g2"}
    assert world.members() == {"g2": {"u1"}}
