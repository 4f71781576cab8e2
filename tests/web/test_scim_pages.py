"""docs/scim-entra.md and docs/scim-okta.md are correct: they are followed here from top to bottom."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.pages import ROOT, assert_followed, followed
from tests.web.daemon import COMMAND


@pytest.mark.parametrize(("page", "token", "least"), [("entra", "CONTOSO_TOKEN", 10), ("okta", "GLOBEX_TOKEN", 12)])
def test_the_page_is_correct_and_its_changes_arrive(page: str, token: str, least: int, tmp_path: Path) -> None:
    secrets = {token: "t" * 32}
    text = (ROOT / "docs" / f"scim-{page}.md").read_text("utf-8")
    assert_followed(followed(text, tmp_path, {}), least)
    # The daemon ended with the page, perhaps before the last delivery.
    subprocess.run([COMMAND, "sync", "--quiet"], cwd=tmp_path, env={**os.environ, **secrets}, check=True, timeout=60)
    with sqlite3.connect(tmp_path / "app.db") as target:
        assert target.execute("SELECT active FROM users").fetchall() == [(0,)]
        assert target.execute("SELECT count(*) FROM group_members").fetchall() == [(1,)]
