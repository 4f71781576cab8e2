"""A state database that cannot be used: the error names it, with the remedy, and no data is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import event

from tests.run.world import World
from tests.servers.postgres import Postgres
from tests.servers.process import free_port
from usersyncd.core.report import RunReport
from usersyncd.errors import StateError, split_remedy
from usersyncd.plugin import Kind
from usersyncd.state import scratch
from usersyncd.state.database import open_database

AGAIN = "nothing was lost: once it can be read and written again, the next run goes on from the last saved state"


@contextmanager
def nobody() -> Iterator[None]:
    """Run the block without the rights of root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can read, and only its owner can write."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def fault(world: World) -> StateError | RunReport:
    """Run without a usable state: return the error, or the report that has it."""
    try:
        report = world.run()
    except StateError as error:
        return error
    assert report.status == "failed", report
    return report


def text(of: StateError | RunReport) -> str:
    if isinstance(of, StateError):
        return str(of)
    return "\n".join(filter(None, (of.error, *(target.error for target in of.targets))))


def is_exact(world: World) -> None:
    assert world.run().status == "succeeded"
    assert set(world.held()) == set(world.directory.users)
    assert world.members() == {"g1": set(world.directory.members["g1"])}
    assert world.plan().targets[0].planned.total == 0


def crowd(world: World, many: int) -> None:
    for number in range(many):
        world.user(f"u{number:04}", title="Cook" * 20)
    world.group("g1", *world.directory.users)
    world.directory.page_size = 500


def test_a_folder_that_cannot_be_created_is_named(shared: Path) -> None:
    shared.chmod(0o555)
    with (
        nobody(),
        pytest.raises(StateError, match=r"folder of the state database, .*/var, cannot be created") as raised,
    ):
        open_database(f"sqlite:///{shared}/var/state.db")
    assert raised.value.remedy == "create it, writable for the user who runs usersyncd"


def failure(world: World) -> tuple[str, str | None]:
    """Run, check that the run failed, and return the message and the remedy."""
    report = world.run()
    assert report.status == "failed"
    return split_remedy(str(report.error))


def test_a_file_that_may_not_be_written_is_named(shared: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files of others")
    world = World(shared)
    world.user("u1")
    world.run()
    with nobody():
        with pytest.raises(StateError) as raised:
            open_database(f"sqlite:///{shared}/state.db")
        for message, remedy in ((raised.value.message, raised.value.remedy), failure(world)):
            assert str(shared) in message
            assert "writ" in str(remedy)
    assert world.run().status == "succeeded"
    world.database.close()


def test_a_folder_instead_of_the_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateError, match=r"state\.db cannot be opened: unable to open database file"):
        open_database(f"sqlite:///{tmp_path}/state.db")


def test_a_database_that_is_deleted_while_it_is_used_is_named_and_created_at_the_next_start(tmp_path: Path) -> None:
    world = World(tmp_path)
    crowd(world, 5)
    world.run()
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    message, remedy = failure(world)
    assert re.search(r"/state\.db cannot be used: no such table", message)
    assert remedy == f"it was removed or replaced: restore it, and start again; {AGAIN}"
    world.database = open_database(f"sqlite:///{tmp_path}/state.db")
    is_exact(world)
    world.database.close()


def test_a_database_that_is_dropped_from_the_server_is_named(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    world = World(tmp_path, state=url)
    postgres.sql(postgres.url("postgres"), f"DROP DATABASE {url.rpartition('/')[2]}")
    message, _ = failure(world)
    assert "does not exist" in message
    with pytest.raises(StateError, match=r"state database postgresql.*cannot be opened: .*does not exist"):
        open_database(url)


def test_a_database_that_is_damaged_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    crowd(world, 200)
    world.run()
    with world.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    held = dict(world.held())
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * (os.path.getsize(tmp_path / "state.db") - 4096 * 2))  # noqa: PTH202
    world.directory.users.clear()
    found = text(fault(world))
    assert f"{tmp_path}/state.db cannot be used: database disk image is malformed" in found
    assert f"restore it from a backup; {AGAIN}" in found
    assert world.held() == held


def test_a_read_only_server_is_named_and_nothing_is_lost(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    world = World(tmp_path, state=url)
    crowd(world, 20)
    world.run()
    name = url.rpartition("/")[2]
    admin = postgres.url("postgres")
    postgres.sql(admin, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    world.user("u1000", title="Boss")
    world.directory.remove(Kind.USER, "u0001")
    held = dict(world.held())
    found = text(fault(world))
    assert "read-only transaction" in found
    assert "make it writable" in found
    assert world.held() == held
    postgres.sql(admin, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    world.run()
    assert {key for key, shape in world.held().items() if shape["active"] is False} == {"u0001"}
    assert "u1000" in world.held()
    world.database.close()


def test_a_full_disk_at_any_moment_fails_the_run_and_loses_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    crowd(world, 300)
    with world.database.read() as connection:
        pages = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    limit = {"pages": 0}  # 0: no limit

    def connected(connection: object, _record: object) -> None:
        if limit["pages"]:
            connection.execute(f"PRAGMA max_page_count = {limit['pages']}")  # type: ignore[attr-defined]

    for engine in (world.database.engine, world.database.pooled):
        event.listen(engine, "connect", connected)
    moments = set[str]()
    for limit["pages"] in range(pages, pages + 400, 8):
        try:
            report = world.run()
        except StateError as error:
            found = error
            moments.add("no report")
        else:
            if report.status == "succeeded":
                break
            assert report.status == "failed"
            found = StateError(text(report))
            moments.add("delivering" if report.pull else "saving")
        assert f"{tmp_path}/state.db cannot be used: database or disk is full" in str(found)
        assert "free some space; nothing was lost" in str(found)
        assert set(world.held()) <= set(world.directory.users)
    assert moments >= {"saving", "delivering"}, moments
    limit["pages"] = 0
    is_exact(world)
    world.database.close()


@pytest.mark.parametrize(("pages", "step"), [(5, "reading"), (30, "planning")])
def test_no_space_for_temporary_files_is_an_error_that_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch, pages: int, step: str
) -> None:
    """The pulled records and the plan stand in temporary files during a run."""
    crowd(world, 1_000)
    with monkeypatch.context() as patch:
        patch.setattr(scratch, "SETUP", f"{scratch.SETUP} PRAGMA max_page_count = {pages};")
        report = world.run()
    assert (report.status, "planning" if report.pull else "reading") == ("failed", step)
    assert text(report).startswith(
        "the temporary files of a run cannot be written: database or disk is full\n"
        "  → free space in the folder for temporary files"
    )
    is_exact(world)


def test_a_server_that_does_not_answer_is_named_in_one_line() -> None:
    url = f"postgresql://me@127.0.0.1:{free_port()}/state"
    with pytest.raises(StateError) as raised:
        open_database(url)
    assert raised.value.message.startswith(f"the state database {url} cannot be opened: ")
    assert not set("\n\t") & set(raised.value.message)
