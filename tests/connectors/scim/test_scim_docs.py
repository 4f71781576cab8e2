"""docs/scim-target.md, followed from top to bottom against a provider that behaves as AWS documents its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.identity_center import TOKEN, IdentityCenter

PAGE = (Path(__file__).parents[3] / "docs" / "scim-target.md").read_text("utf-8")
ADDRESS = "https://scim.us-east-1.amazonaws.com/Rz2x1000-1234/scim/v2"


def block(language: str, number: int = 0) -> str:
    """The code block of this language in the part on AWS."""
    part = PAGE.partition("from nothing to the first run")[2].partition("\n## ")[0]
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)
    return found[number]


@pytest.fixture
def center() -> Iterator[IdentityCenter]:
    service = IdentityCenter()
    yield service
    service.close()


def test_the_page_leads_from_nothing_to_the_first_run(center: IdentityCenter, tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "usersyncd.yaml").write_text(block("yaml").replace(ADDRESS, center.url))
    names = re.findall(r"^`(\w+\.csv)`:$", PAGE, re.MULTILINE)
    for number, name in enumerate(names):
        (tmp_path / name).write_text(block("csv", number))

    def usersyncd(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "usersyncd", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
        )  # fmt: skip
        assert TOKEN not in done.stdout + done.stderr
        return done.stdout.replace(center.url, ADDRESS)

    assert usersyncd("check", "--online").strip().endswith(block("text").strip())
    assert steady(usersyncd("sync")) == steady(block("text", 1))
    logins = {user["userName"]: user for user in center.users.values()}
    assert logins.keys() == {"ada", "bob"}
    [members] = center.members.values()
    assert members == {user["id"] for user in logins.values()}

    users = tmp_path / "users.csv"
    users.write_text(users.read_text().replace("Eve,,", "Eve,Moneypenny,"))
    usersyncd("sync")
    assert {user["userName"] for user in center.users.values()} == {"ada", "bob", "eve"}

    users.write_text("".join(line for line in users.read_text().splitlines(True) if "bob" not in line))
    (tmp_path / "members.csv").write_text("group_id,member_id\nadmins,1001\n")
    usersyncd("sync")
    assert list(center.members.values()) == [{user["id"] for user in logins.values() if user["userName"] == "ada"}]
    active = {user["userName"]: user["active"] for user in center.users.values()}
    assert active == {"ada": True, "bob": False, "eve": True}


def steady(text: str) -> list[str]:
    """The lines without times."""
    return [re.sub(r"\d+\.\d+ ?s", "TIME", line).rstrip() for line in text.strip().splitlines()]
