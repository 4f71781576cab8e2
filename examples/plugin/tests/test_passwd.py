"""The contract of a source, and what only this connector does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from usersyncd.errors import SourceError
from usersyncd.plugin import Kind
from usersyncd.testing import DirectoryContent, SourceContract, fold, read, source_context

from usersyncd_passwd.source import PasswdOptions, PasswdSource

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
ada:x:1000:1000:Ada Lovelace,Room 3,+44 20 7946 0101,:/home/ada:/bin/bash
boris:x:1001:1001:Борис Щерев:/home/boris:/usr/sbin/nologin
build:x:1002:1000::/srv/build:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = """\
root:x:0:
adm:x:4:root
sudo:x:27:ada
ada:x:1000:
boris:x:1001:
web:x:1005:ada,boris,root
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "passwd").write_text(PASSWD)
    (tmp_path / "group").write_text(GROUP)
    return tmp_path


class TestContract(SourceContract):
    source = PasswdSource

    @pytest.fixture
    def options(self, machine: Path) -> Mapping[str, Any]:
        return {"passwd": "passwd", "group": "group"}

    @pytest.fixture
    def break_directory(self, machine: Path) -> Callable[[], object]:
        return (machine / "group").unlink

    @pytest.fixture
    def counts(self) -> tuple[int, int, int]:
        return 3, 4, 6


def listing(machine: Path, **options: Any) -> DirectoryContent:
    source = PasswdSource(PasswdOptions(passwd="passwd", group="group", **options), source_context(machine))
    return fold(asyncio.run(read(source)).items)


def test_users_have_the_uid_as_id_and_groups_the_gid(machine: Path) -> None:
    found = listing(machine)
    assert found.records[Kind.USER, "1000"] == {
        "login": "ada",
        "fullName": "Ada Lovelace",
        "workPhone": "+44 20 7946 0101",
        "home": "/home/ada",
        "shell": "/bin/bash",
    }
    assert [id for kind, id in found.records if kind is Kind.USER] == ["1000", "1001", "1002"]
    assert [id for kind, id in found.records if kind is Kind.GROUP] == ["27", "1000", "1001", "1005"]


def test_members_are_those_in_the_list_and_those_whose_first_group_it_is(machine: Path) -> None:
    assert listing(machine).edges == {
        ("27", "login:ada"),
        ("1000", "login:ada"),
        ("1000", "login:build"),
        ("1001", "login:boris"),
        ("1005", "login:ada"),
        ("1005", "login:boris"),
    }


def test_only_uids_in_the_range_are_read(machine: Path) -> None:
    assert {id for kind, id in listing(machine, min_uid=1, max_uid=1000).records if kind is Kind.USER} == {"1000"}


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("passwd", "eve:x:1003:1003", "passwd:6: 4 fields instead of 7"),
        ("passwd", "eve:x:new:1003:::", "passwd:6: 'new' is not a uid or gid"),
        ("passwd", "eve:x:1001:1003:::", "boris and eve have the uid 1001"),
        ("group", "web:x:1006", "group:7: 3 fields instead of 4"),
    ],
)
def test_a_malformed_line_discards_the_pull(machine: Path, file: str, line: str, says: str) -> None:
    with (machine / file).open("a") as text:
        text.write(line + "\n")
    with pytest.raises(SourceError, match=says):
        listing(machine)


def test_an_empty_file_discards_the_pull(machine: Path) -> None:
    (machine / "passwd").write_text("")
    with pytest.raises(SourceError, match="passwd is empty"):
        listing(machine)
