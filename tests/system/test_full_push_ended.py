"""What a provider did not send again leaves the targets soon after `usersyncd expect --end`: the daemon delivers it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import httpx

from tests.web.daemon import COMMAND, daemon

CONFIG = """\
state: sqlite:///state.db
directories:
  acme: {connector: scim, options: {tokens: [{name: first, secret: {env: PUSH}}]}}
targets:
  app: {connector: sql, options: {url: "sqlite:///app.db", create_tables: true}}
web: {listen: "127.0.0.1:8470", url: "http://127.0.0.1:8470"}
"""
TOKEN = {"PUSH": "push-" + "t" * 30}


def test_what_was_not_sent_leaves_without_a_push(tmp_path: Path) -> None:
    with daemon(tmp_path, CONFIG, TOKEN) as running:
        headers = {"authorization": f"Bearer {TOKEN['PUSH']}"}
        with httpx.Client(base_url=f"{running.url}/scim/v2/acme", headers=headers, trust_env=False) as provider:
            ids = {name: provider.post("/Users", json=user(name)).json()["id"] for name in ("ada", "eve")}
            until(tmp_path, {"ada": 1, "eve": 1})
            run(tmp_path, "expect", "acme", "--full-push")
            assert provider.put(f"/Users/{ids['ada']}", json=user("ada")).status_code == 200
        run(tmp_path, "expect", "acme", "--end", "--yes")
        until(tmp_path, {"ada": 1, "eve": 0})


def user(name: str) -> dict[str, object]:
    return {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}


def run(folder: Path, *arguments: str) -> None:
    subprocess.run([COMMAND, *arguments], cwd=folder, env={**os.environ, **TOKEN}, check=True, capture_output=True)


def until(folder: Path, expected: dict[str, int]) -> None:
    """Wait until the target has these users, each active or not."""
    end = time.monotonic() + 60
    found: dict[str, int] = {}
    while time.monotonic() < end:
        with closing(sqlite3.connect(folder / "app.db")) as target:
            try:
                found = dict(target.execute("SELECT user_name, active FROM users").fetchall())
            except sqlite3.OperationalError:
                found = {}  # The first delivery has not created the table yet.
        if found == expected:
            return
        time.sleep(0.1)
    raise AssertionError(f"the target has {found}, not {expected}")
