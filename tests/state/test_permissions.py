"""Only the user who runs usersyncd can read the files with people's data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.world import World
from usersyncd.state.database import open_database
from usersyncd.state.lock import DIRECTORY, locked


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    """Set a umask that removes no permission."""
    was = os.umask(0)
    yield
    os.umask(was)


def modes(folder: Path) -> dict[str, str]:
    return {file.name: f"{file.stat().st_mode & 0o777:o}" for file in (folder, *folder.iterdir())}


def test_files_are_created_for_their_owner_only(tmp_path: Path) -> None:
    world = World(tmp_path, state=f"sqlite:///{tmp_path}/var/state.db")
    world.user("u1")
    assert world.run().status == "succeeded"
    with world.database.read():
        assert modes(tmp_path / "var") == dict.fromkeys(
            (
                "var",
                "state.db",
                "state.db-shm",
                "state.db-wal",
                "state.db.acme.lock",
                "state.db.to.app.lock",
                "state.db.target.1.lock",
            ),
            "600",
        ) | {"var": "700"}
    world.database.close()


def test_files_that_everyone_could_read_are_closed_to_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    database = open_database(url)
    tmp_path.chmod(0o755)
    with database.read(), locked(database, DIRECTORY, "hr"):
        for file in tmp_path.iterdir():
            file.chmod(0o644)
        open_database(url).close()
        assert modes(tmp_path) == {
            tmp_path.name: "755", "state.db": "600", "state.db-shm": "600", "state.db-wal": "600",
            "state.db.hr.lock": "644",
        }  # fmt: skip
    database.close()


def test_the_target_of_a_symbolic_link_is_closed_too(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "state.db").symlink_to("var/state.db")
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    with database.read():
        (tmp_path / "var" / "state.db-wal").chmod(0o644)
        open_database(f"sqlite:///{tmp_path}/state.db").close()
        assert set(modes(tmp_path / "var").values()) == {"600", "777"}
    database.close()


def test_access_of_a_group_is_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    open_database(url).close()
    (tmp_path / "state.db").chmod(0o660)
    open_database(url).close()
    assert modes(tmp_path)["state.db"] == "660"
