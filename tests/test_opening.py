"""The state database is opened as the configuration names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from usersyncd.config import load
from usersyncd.errors import ConfigError, StateError
from usersyncd.opening import open_state
from usersyncd.state.directories import known


def test_a_file_beside_the_configuration_is_made_and_brought_up_to_date(tmp_path: Path) -> None:
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
    with pytest.raises(StateError, match="the state database") as raised:
        open_state(load(file))
    assert "hunter2" not in str(raised.value)
