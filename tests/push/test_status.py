"""``usersyncd status`` of a directory that pushes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from usersyncd.cli import app
from usersyncd.state import token_uses
from usersyncd.state.database import open_database
from usersyncd.state.directories import open_directory

CONFIG = """\
state: sqlite:///state.db
web: {listen: "127.0.0.1:8470", url: "https://sync.acme.example"}
directories:
  acme: {connector: scim, options: {tokens: [{name: entra, secret: {env: ENTRA_TOKEN}}]}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
"""


@pytest.fixture(autouse=True)
def daemon_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usersyncd.cli.web_answers.silent_web_service", lambda _config: None)


def test_a_directory_that_pushes_is_never_late_and_shows_when_its_tokens_were_used(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    open_directory(database, "acme")
    token_uses.note(database, "acme", "entra", datetime(2026, 3, 1, tzinfo=UTC))
    token_uses.note(database, "acme", "removed from the configuration", datetime(2026, 3, 1, tzinfo=UTC))
    database.close()
    answer = CliRunner().invoke(app, ["status", "--exit-code", "--json", "--config", str(config)])
    assert answer.exit_code == 0, answer.output
    [acme] = json.loads(answer.stdout)["directories"]
    assert (acme["late"], acme["next_run"]) == (False, None)
    assert acme["tokens"] == {"entra": "2026-03-01T00:00:00Z"}
