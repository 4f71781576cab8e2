"""docs/operations.md says what to do when a directory or a target has changed: these tests run its commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## A directory or a target has changed\n")[2].partition("\n## ")[0]
BEGINNING, *STORIES = re.split(r"^### ", SECTION, flags=re.MULTILINE)
FOLDER = "/srv/usersyncd"
"""The folder of the example on the page."""


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Return the language and the text of each code block."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def untimed(text: str) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-03-02 09:14:20", text)
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text).rstrip()


def test_the_stories_are_there() -> None:
    assert [story.partition("\n")[0] for story in STORIES] == [
        "A directory was removed", "A directory was renamed", "A target has moved",
    ]  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=[story.partition("\n")[0] for story in STORIES])
def test_the_commands_print_what_the_page_shows(
    usersyncd: Usersyncd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, story: str
) -> None:
    monkeypatch.setattr("usersyncd.cli.real_user.person_of", lambda *_: "ann")
    for language, text in blocks(BEGINNING):
        if language == "yaml":
            (tmp_path / "usersyncd.yaml").write_text(text, "utf-8")
        else:
            subprocess.run(["sh", "-ec", text], cwd=tmp_path, check=True)
    assert usersyncd("sync").code == 0
    shown = 0
    for language, text in blocks(story):
        if language == "sh":
            subprocess.run(["sh", "-ec", text], cwd=tmp_path, check=True)
            continue
        for part in re.split(r"^\$ usersyncd ", text, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            printed = usersyncd(*command.split()).out.replace(str(tmp_path), FOLDER)
            assert untimed(printed) == untimed(output), command
            shown += 1
    assert shown > 1
