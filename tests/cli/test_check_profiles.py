"""A profile of one's own is checked with the configuration: every fault has its file, line and key."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from tests.cli.running import Usersyncd
from usersyncd_scim.profile import BUILT_IN

CONFIG = """\
state: sqlite:///state.db
directories:
  hr: {connector: csv, options: {users: people.csv}}
targets:
  shop:
    connector: scim
    options:
      url: https://api.example/scim/v2
      token: {env: TOKEN}
      profile: shop.yaml
"""
FAULTY = """\
update: post
updates: put
page_size: many
rates:
  users: fast
charsets: {userName: '['}
"""


@pytest.fixture(autouse=True)
def config(usersyncd: Usersyncd) -> None:
    Path("usersyncd.yaml").write_text(CONFIG)
    Path("people.csv").write_text("id,userName\n")


def test_each_fault_of_a_profile_is_shown_with_its_line(usersyncd: Usersyncd) -> None:
    Path("shop.yaml").write_text(FAULTY)
    ran = usersyncd("check")
    assert (ran.code, ran.out) == (2, "")
    file = Path("shop.yaml").absolute()
    assert ran.err.splitlines()[:3] == [
        f"{file}:1:9: update: must be 'patch' or 'put'",
        "    update: post",
        "            ^",
    ]
    errors = json.loads(usersyncd("check", "--json").out)["errors"]
    assert {(one["file"], one["line"]): one["message"] for one in errors} == {
        (str(file), 1): "must be 'patch' or 'put'",
        (str(file), 2): "unknown key: did you mean update?",
        (str(file), 3): "must be a whole number",
        (str(file), 5): "write a number and a unit: 600/min, 1000/h or 25/s",
        (str(file), 6): "userName: not a regular expression: unterminated character set at position 0",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("update: put\nupdate: patch\n", "shop.yaml:2:1: update: is repeated: the first one is on line 1"),
        ("version: '1.1'\n", "version 1.1 needs update: put and group_update: put"),
        ("- update\n", "must be a mapping"),
        ("update: [\n", "shop.yaml:2:1:"),
    ],
)
def test_a_file_that_is_not_a_profile_is_refused(usersyncd: Usersyncd, text: str, said: str) -> None:
    Path("shop.yaml").write_text(text)
    ran = usersyncd("check")
    assert ran.code == 2
    assert said in ran.err


def test_a_profile_that_does_not_exist_is_a_fault_of_the_option(usersyncd: Usersyncd) -> None:
    ran = usersyncd("check")
    assert ran.code == 2
    file = Path("shop.yaml").absolute()
    assert f"usersyncd.yaml:10:16: targets.shop.options.profile: {file} cannot be read: No such file" in ran.err


@pytest.mark.parametrize("text", ["", "# nothing differs\n", "update: put\nrates: {users: 600/min}\n"])
def test_a_valid_profile_has_no_fault(usersyncd: Usersyncd, text: str) -> None:
    Path("shop.yaml").write_text(text)
    assert usersyncd("check").code == 0


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_copy_of_a_built_in_profile_is_valid(usersyncd: Usersyncd, name: str) -> None:
    Path("shop.yaml").write_text((files("usersyncd_scim.profiles") / f"{name}.yaml").read_text("utf-8"))
    assert usersyncd("check").code == 0
