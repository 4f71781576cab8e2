"""docs/events.md is correct: it is followed here from top to bottom."""

from __future__ import annotations

import shutil
from base64 import b64encode
from pathlib import Path

from tests.pages import ROOT, assert_followed, followed

SECRETS = {"CRM_SECRET": "whsec_" + b64encode(b"s" * 32).decode(), "CRM_FEED_TOKEN": "t" * 32}


def test_the_page_is_correct(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "receiver", tmp_path / "examples" / "receiver")
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert_followed(followed(page, tmp_path, SECRETS), least=16)
