"""docs/scim-target.md, followed from top to bottom: the target against a provider that behaves as AWS documents it, the
directory against scim2-server."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.identity_center import TOKEN, IdentityCenter
from tests.servers import scim_server
from tests.servers.scim_server import ScimTenant
from usersyncd_scim.profile import ENTERPRISE

PAGE = (Path(__file__).parents[3] / "docs" / "scim-target.md").read_text("utf-8")
ADDRESS = "https://scim.us-east-1.amazonaws.com/Rz2x1000-1234/scim/v2"


def block(language: str, number: int = 0, heading: str = "from nothing to the first run") -> str:
    """A code block of this language in the part on AWS, or in another one."""
    part = PAGE.partition(heading)[2].partition("\n## ")[0]
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
        return run(tmp_path, TOKEN, *arguments).replace(center.url, ADDRESS)

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


@pytest.mark.parametrize("scim", ["scim_server"], indirect=True)
def test_the_page_leads_to_a_directory_that_is_pulled(scim: ScimTenant, tmp_path: Path) -> None:
    def shop(language: str, number: int = 0) -> str:
        return block(language, number, "## A service provider as a directory")

    address = "https://api.shop.example/scim/v2"
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text(scim_server.TOKEN)
    (tmp_path / "usersyncd.yaml").write_text(shop("yaml").replace(address, scim.url))
    ids = {}
    for name in ("Ada", "Bob"):
        work = {"department": f"{name}s department"}
        email = {"value": f"{name.lower()}@shop.example", "primary": True}
        user = {"userName": name.lower(), "displayName": name, "emails": [email], ENTERPRISE: work}
        ids[name] = scim.request("POST", "Users", user)["id"]
    scim.request("POST", "Groups", {"displayName": "Staff", "members": [{"value": id_} for id_ in ids.values()]})

    def usersyncd(*arguments: str) -> str:
        return run(tmp_path, scim_server.TOKEN, *arguments).replace(scim.url, address)

    assert shop("text").strip() in usersyncd("check", "--online")
    assert steady(usersyncd("sync")) == steady(shop("text", 1))
    rows = read(tmp_path, "SELECT id, user_name, email, department FROM users")
    assert rows == {(ids[name], name.lower(), f"{name.lower()}@shop.example", f"{name}s department") for name in ids}
    assert len(read(tmp_path, "SELECT * FROM group_members")) == 2

    scim.request("DELETE", f"Users/{ids['Bob']}")
    usersyncd("sync")
    assert read(tmp_path, "SELECT user_name, active FROM users") == {("ada", 1), ("bob", 0)}


def read(folder: Path, query: str) -> set[tuple[object, ...]]:
    """The rows of the target of the page."""
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        return set(connection.execute(query))


def run(folder: Path, token: str, *arguments: str) -> str:
    """What a command of the page prints."""
    done = subprocess.run(
        [sys.executable, "-m", "usersyncd", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )  # fmt: skip
    assert token not in done.stdout + done.stderr
    return done.stdout


def steady(text: str) -> list[str]:
    """The lines without times."""
    return [re.sub(r"\d+\.\d+ ?s", "TIME", line).rstrip() for line in text.strip().splitlines()]
