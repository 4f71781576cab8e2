"""The state database is opened as the configuration names it."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from usersyncd.config import load
from usersyncd.errors import ConfigError, StateError
from usersyncd.opening import open_state
from usersyncd.state.database import open_database
from usersyncd.state.directories import known
from usersyncd.state.lock import DIRECTORY, is_locked, locked
from usersyncd.state.tables import counters


def test_a_file_beside_the_configuration_is_created_and_migrated(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("state: sqlite:///var/state.db\ndirectories: {hr: {connector: csv, options: {users: users.csv}}}\n")
    database = open_state(load(file))
    with database.read() as connection:
        assert known(connection, "hr") is None
    database.close()
    assert (tmp_path / "var" / "state.db").exists()


def test_a_password_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STATE_PASSWORD", raising=False)
    file = tmp_path / "config.yaml"
    file.write_text(
        "state: {url: postgresql://sync@127.0.0.1:1/state, password: {env: STATE_PASSWORD}}\n"
        "directories: {hr: {connector: csv, options: {users: users.csv}}}\n"
    )
    with pytest.raises(ConfigError, match="state: the environment variable STATE_PASSWORD is not set"):
        open_state(load(file))
    monkeypatch.setenv("STATE_PASSWORD", "hunter2")
    with pytest.raises(StateError, match=r"state database postgresql.*/state cannot be opened") as raised:
        open_state(load(file))
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("precious\n" * 100)
    with pytest.raises(StateError, match=r"state\.db cannot be opened: file is not a database") as raised:
        open_database(f"sqlite:///{tmp_path}/state.db")
    assert raised.value.remedy == "restore it from a backup"
    assert (tmp_path / "state.db").read_text() == "precious\n" * 100


def test_opening_does_not_wait_for_another_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    first = open_database(url)
    with first.write() as connection:
        connection.execute(insert(counters).values(name="x", next=1))
        second = open_database(url)
        with second.read() as other:
            assert other.scalar(select(counters.c.next).where(counters.c.name == "x")) is None
        second.close()
    first.close()


def test_opening_waits_for_another_program_that_writes(tmp_path: Path) -> None:
    """Also the first time, when the file's journal is not ours yet: changing that fails at once instead of waiting."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None, check_same_thread=False)) as writing:
        writing.execute("CREATE TABLE other (id INTEGER)")
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("INSERT INTO other VALUES (1)")
        end = threading.Timer(0.3, writing.execute, ["COMMIT"])
        end.start()
        open_database(f"sqlite:///{tmp_path}/state.db").close()
        end.join()
    open_database(f"sqlite:///{tmp_path}/state.db").close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_lock_file_made_by_root_belongs_to_the_owner_of_the_database(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make files for others")
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    os.chown(database.file, 65534, 65534)
    with locked(database, DIRECTORY, "hr"):
        assert is_locked(database, DIRECTORY, "hr")
        assert not is_locked(database, DIRECTORY, "other")
    assert not is_locked(database, DIRECTORY, "hr")
    database.close()
    assert (tmp_path / "state.db.hr.lock").stat().st_uid == 65534
