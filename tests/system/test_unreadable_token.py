"""A directory whose token cannot be read takes no push, and its status says so until a reload has read it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from tests.web.daemon import COMMAND, daemon

CONFIG = """\
state: sqlite:///state.db
directories:
  acme: {connector: scim, options: {tokens: [{name: first, secret: {env: NOT_SET}}]}}
  corp: {connector: scim, options: {tokens: [{name: first, secret: {env: PUSH}}]}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web: {listen: "127.0.0.1:8470", url: "http://127.0.0.1:8470"}
"""
TOKEN = "push-" + "t" * 30
USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada"}


def test_the_status_says_that_pushes_are_refused(tmp_path: Path) -> None:
    with daemon(tmp_path, CONFIG, {"PUSH": TOKEN}) as running:
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=f"{running.url}/scim/v2", headers=headers, trust_env=False) as provider:
            assert provider.post("/acme/Users", json=USER).status_code == 503
            assert provider.post("/corp/Users", json=USER).status_code == 201
            found = until(tmp_path, {"acme": "failed", "corp": "succeeded"})
            assert "the environment variable NOT_SET is not set" in found["acme"]["message"]
            assert found["acme"]["remedy"] == "set NOT_SET for the account that runs usersyncd"
            assert usersyncd(tmp_path, "status", "--exit-code").returncode == 1
            file = tmp_path / "usersyncd.yaml"
            file.write_text(file.read_text().replace("{env: NOT_SET}", "{file: acme.token}"))
            (tmp_path / "acme.token").write_text(TOKEN)
            running.process.send_signal(signal.SIGHUP)
            until(tmp_path, {"acme": "succeeded", "corp": "succeeded"})
            assert provider.post("/acme/Users", json=USER).status_code == 201
            (tmp_path / "acme.token").unlink()
            running.process.send_signal(signal.SIGHUP)
            found = until(tmp_path, {"acme": "failed", "corp": "succeeded"})
            assert provider.post("/acme/Users", json=USER).status_code == 503
            (tmp_path / "acme.token").write_text(TOKEN)
            running.process.send_signal(signal.SIGHUP)
            until(tmp_path, {"acme": "succeeded", "corp": "succeeded"})


def usersyncd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PUSH": TOKEN}
    return subprocess.run([COMMAND, *arguments], cwd=folder, env=environment, check=False, capture_output=True)


def until(folder: Path, expected: dict[str, str]) -> dict[str, Any]:
    """Wait for these statuses of the directories. Returns what `status` says of each."""
    end = time.monotonic() + 90
    statuses: dict[str, Any] = {}
    while time.monotonic() < end:
        shown = usersyncd(folder, "status", "--json").stdout
        found = {one["directory"]: one for one in json.loads(shown)["directories"]}
        statuses = {name: one["status"] for name, one in found.items()}
        if statuses == expected:
            return found
        time.sleep(0.2)
    raise AssertionError(f"the statuses are {statuses}, not {expected}")
