"""docs/web.md is correct: it is followed here from top to bottom."""

from __future__ import annotations

from pathlib import Path

from tests.pages import ROOT, assert_followed, followed


def test_the_page_is_correct(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "web.md").read_text("utf-8")
    assert_followed(followed(page, tmp_path, {}), least=7)
