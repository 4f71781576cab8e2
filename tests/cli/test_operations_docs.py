"""docs/operations.md shows what the commands print: a plan that is held, one account that is adopted, and one that is
refused."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from textwrap import dedent

from tests.cli.company import DIRECTORY, TARGET
from tests.cli.running import Usersyncd

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n### A new record has the key of an existing account\n")[2].partition("\n### ")[0]
HELD = PAGE.partition("\n## A plan is held\n")[2].partition("\n## ")[0]


def blocks(language: str, section: str = SECTION) -> list[str]:
    """The blocks of a language in a section, without the indentation of a list item."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", section, re.DOTALL | re.MULTILINE)
    return [dedent(text) for _, text in found]


def untimed(text: str) -> str:
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text).rstrip()


def test_the_commands_print_what_the_page_shows(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "hr.csv").write_text(blocks("csv")[0], "utf-8")
    (tmp_path / "usersyncd.yaml").write_text(blocks("yaml")[0], "utf-8")
    with sqlite3.connect(tmp_path / "app.db") as application:
        application.executescript(blocks("sql")[0])
    shown = [block.removeprefix("$ usersyncd ").partition("\n")[::2] for block in blocks("console")]
    assert [command for command, _ in shown] == ["sync hr --changes", "plan hr --adopt 2"]
    for command, output in shown:
        assert untimed(usersyncd(*command.split()).out) == untimed(output)


def test_a_held_plan_shows_what_the_page_shows(usersyncd: Usersyncd, tmp_path: Path) -> None:
    (tmp_path / "usersyncd.yaml").write_text(DIRECTORY.replace("acme:", "hr:").replace("acme/", "") + TARGET)
    for many in (20, 8):
        rows = "".join(f"u{number:02},u{number:02}@acme.example\n" for number in range(many))
        (tmp_path / "users.csv").write_text(f"id,email\n{rows}")
        (tmp_path / "groups.csv").write_text("id,displayName\n")
        (tmp_path / "members.csv").write_text("group_id,member_id\n")
        if many == 20:
            assert usersyncd("sync").code == 0
    (block,) = blocks("console", HELD)
    command, _, output = block.removeprefix("$ usersyncd ").partition("\n")
    ran = usersyncd(*command.split())
    assert ran.code == 3
    assert untimed(ran.out) == untimed(output)
    consent = ran.out.rpartition(":\n")[2].split()
    assert usersyncd(*consent[1:]).code == 0


def test_the_page_names_the_messages() -> None:
    """The texts before the ellipses of the table are texts of the messages."""
    source = "".join(file.read_text("utf-8") for folder in ("src", "connectors") for file in _modules(folder))
    rows = re.search(r"^\| message \|.*\n\|---\|---\|\n((?:\|.*\n)+)", SECTION, re.MULTILINE)
    assert rows is not None
    for row in rows[1].splitlines():
        message = row.split("|")[1].strip().replace("user X", "…").replace("2 objects", "…")
        for part in filter(None, (part.strip(" ,:") for part in message.split("…"))):
            assert part in source or part == "its", part


def _modules(folder: str) -> list[Path]:
    return sorted((Path(__file__).parents[2] / folder).rglob("*.py"))
