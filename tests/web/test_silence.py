"""`usersyncd status` notices that the daemon does not answer, although no directory has an interval."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

from tests.web.daemon import COMMAND, daemon

CONFIG = """\
state: sqlite:///state.db
directories:
  acme: {connector: scim, options: {tokens: [{name: first, secret: {env: PUSH}}]}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web: {listen: "127.0.0.1:8470", url: "http://127.0.0.1:8470"}
"""
SECRETS = {"PUSH": "push-" + "t" * 30}


def status(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **SECRETS, "COLUMNS": "120"}
    command = [str(COMMAND), "status", "--exit-code", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)


def test_a_daemon_that_ended_is_noticed(tmp_path: Path) -> None:
    with daemon(tmp_path, CONFIG, SECRETS) as running:
        port = running.url.rsplit(":", 1)[1]
        alive = status(tmp_path, "--json")
        assert (alive.returncode, json.loads(alive.stdout)["silent_web_service"]) == (0, None)
        running.kill()
        dead = status(tmp_path, "--json")
        assert dead.returncode == 1
        found = json.loads(dead.stdout)["silent_web_service"]
        assert found["message"] == f"the web service does not answer at 127.0.0.1:{port}: Connection refused"
        shown = status(tmp_path)
        assert shown.returncode == 1
        assert f"{found['message']}\n  → {found['remedy']}\n" in shown.stdout


def test_a_program_that_does_not_answer_is_not_the_daemon(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        (tmp_path / "usersyncd.yaml").write_text(CONFIG.replace("8470", str(port)))
        silent = status(tmp_path, "--json")
    assert silent.returncode == 1
    assert json.loads(silent.stdout)["silent_web_service"]["message"].endswith(f":{port}: timed out")
