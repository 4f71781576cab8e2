"""Locks: one pull of a directory at a time, also from several processes. A crash leaves no lock behind."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.run.world import World
from tests.servers.postgres import Postgres
from tests.state.processes import SPAWN, holding, run_alone
from usersyncd.errors import LockedError, StateError
from usersyncd.plugin import Done, Kind, Record
from usersyncd.progress import Progress
from usersyncd.pull.save import open_spool, snapshot
from usersyncd.state.database import open_database
from usersyncd.state.directories import open_directory
from usersyncd.state.lock import DIRECTORY, is_locked, locked


def test_a_lock_ends_when_its_process_is_killed(state: str) -> None:
    database = open_database(state)
    with holding(state, "hr") as process:
        with (
            pytest.raises(LockedError, match="hr: another pull of this directory is under way"),
            locked(database, DIRECTORY, "hr"),
        ):
            pass
        assert is_locked(database, DIRECTORY, "hr")
        with locked(database, DIRECTORY, "other"):
            pass
        process.kill()
        process.join()
        deadline = time.monotonic() + 60  # PostgreSQL notices the end of a session a moment later
        while is_locked(database, DIRECTORY, "hr") and time.monotonic() < deadline:
            time.sleep(0.02)
        with locked(database, DIRECTORY, "hr"):
            pass
    database.close()


def test_a_pull_is_refused_while_another_process_has_the_lock(state: str, world: World) -> None:
    world.user("u1", title="Cook")
    with holding(state, world.name):
        assert str(world.run().error).startswith("acme: another pull of this directory is under way")
    assert world.held() == {}


def test_repeated_pulls_of_several_processes_never_overlap(state: str, tmp_path: Path) -> None:
    open_database(state).close()
    start = SPAWN.Barrier(3)
    arguments = state, str(tmp_path / "one"), 40, start
    processes = [SPAWN.Process(target=run_alone, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_a_lock_is_free_as_soon_as_it_is_released(postgres: Postgres) -> None:
    """The server notices the end of a session only a moment later: a `plan` just after a `sync` was refused."""
    database = open_database(postgres.database())
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
        for _ in range(50):
            with locked(database, DIRECTORY, "hr"):
                pass
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert other.scalar(sa.text(held)) == 0
    database.close()


CUT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"


def test_a_lost_lock_is_an_error(postgres: Postgres) -> None:
    url = postgres.database()
    database = open_database(url)
    with locked(database, DIRECTORY, "hr") as lock:
        lock.verify()
        postgres.sql(url, CUT)
        with pytest.raises(StateError, match="hr: the connection that held this run's lock was cut"):
            lock.verify()
    database.close()


@pytest.mark.parametrize("moment", ["reading", "delivering"])
def test_a_run_that_loses_its_lock_ends_before_its_next_change(postgres: Postgres, tmp_path: Path, moment: str) -> None:
    """The server was restarted, and another daemon may have begun a pull of this directory."""
    url = postgres.database()
    world = World(tmp_path, state=url)
    world.user("u1", title="Cook")

    def watch(progress: Progress) -> None:
        if progress.step == moment:
            postgres.sql(url, CUT)

    report = world.run(Progress(watch))
    assert report.status == "failed"
    errors = f"{report.error} {[target.error for target in report.targets]}"
    assert f"{'acme' if moment == 'reading' else 'app'}: the connection that held this run's lock was cut" in errors
    assert world.held() == {}
    assert world.run().status == "succeeded"
    assert set(world.held()) == {"u1"}
    world.database.close()


def test_two_directories_can_be_saved_at_the_same_time(postgres: Postgres, tmp_path: Path) -> None:
    """On PostgreSQL both write at once: no number may be given to two of their records."""
    url = postgres.database()
    postgres.sql(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET lock_timeout = '5s'")  # waiting is a failure
    world, other = World(tmp_path, state=url), World(tmp_path, state=url)
    other.name = "other"
    other.target()
    other.user("u1", title="Boss")
    reading = open_directory(world.database, world.name)
    spool = open_spool(world.database, reading, world.job)
    spool.add([Record(Kind.USER, "u1", {"title": "Cook"})])
    saving = snapshot(world.database, reading, world.job, spool, Done(None, complete=True), datetime.now(UTC))
    next(saving)  # Its records are inserted, and that is not committed yet.
    assert other.run().status == "succeeded"
    for _ in saving:
        pass
    with world.database.read() as connection:
        refs = connection.execute(sa.text("SELECT count(*), count(DISTINCT ref) FROM records")).one()
    assert refs == (2, 2)
    spool.close()
    for one in (world, other):
        one.database.close()


@pytest.mark.parametrize("way", ["symlink", "folder", "relative"])
def test_every_path_to_a_state_leads_to_the_same_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "symlink.db").symlink_to("../real/state.db")  # It leads nowhere yet.
    (tmp_path / "folder").symlink_to("real")
    monkeypatch.chdir(tmp_path / "other")
    paths = {
        "symlink": f"{tmp_path}/other/symlink.db",
        "folder": f"{tmp_path}/folder/state.db",
        "relative": "symlink.db",
    }
    through = open_database(f"sqlite:///{paths[way]}")
    database = open_database(f"sqlite:///{tmp_path}/real/state.db")
    with locked(through, DIRECTORY, "hr"), pytest.raises(LockedError), locked(database, DIRECTORY, "hr"):
        pass
    with locked(database, DIRECTORY, "hr") as lock, lock.at_links(1):
        assert is_locked(through, DIRECTORY, "hr")
        with locked(through, DIRECTORY, "crm") as other, pytest.raises(LockedError), other.at_links(1):
            pass
    for one in (through, database):
        one.close()
    assert [file.name for file in (tmp_path / "other").iterdir()] == ["symlink.db"]


def test_a_state_with_two_names_is_refused(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/state.db").close()
    (tmp_path / "other.db").hardlink_to(tmp_path / "state.db")
    for name in ("state", "other"):
        with pytest.raises(StateError, match=rf"{name}\.db has 2 names \(hard links\).*\n  → remove all names but one"):
            open_database(f"sqlite:///{tmp_path}/{name}.db")
    (tmp_path / "other.db").unlink()
    open_database(f"sqlite:///{tmp_path}/state.db").close()
