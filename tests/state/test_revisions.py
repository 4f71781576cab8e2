"""The revisions of several directories are read at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from usersyncd.state.database import open_database
from usersyncd.state.directories import open_directory, revisions, save


@pytest.mark.parametrize("names", [["acme"], ["acme", "corp", "never read"], []])
def test_the_revisions_of_known_directories(tmp_path: Path, names: list[str]) -> None:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    for name, revision in (("acme", 7), ("corp", 2), ("other", 1)):
        state = structs.replace(open_directory(database, name), revision=revision)
        with database.write() as connection:
            save(connection, state)
    with database.read() as connection:
        found = revisions(connection, names)
    database.close()
    assert found == {name: {"acme": 7, "corp": 2}[name] for name in names if name != "never read"}
