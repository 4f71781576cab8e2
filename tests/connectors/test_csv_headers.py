"""A first line that is no header: the message helps, and shows nobody's data."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from usersyncd.errors import SourceError
from usersyncd.testing import read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

MISSING = "the first line names none of the known columns: is the header missing?"


def void(folder: Path, users: str, members: str = "group_id,member_id\n", **options: str) -> str:
    for name, text in (("users", users), ("groups", "id\nops\n"), ("members", members)):
        (folder / f"{name}.csv").write_bytes(text.encode())
    files = {"users": "users.csv", "groups": "groups.csv", "members": "members.csv"}
    source = CsvSource(CsvOptions.model_validate(files | options), source_context(folder))
    with pytest.raises(SourceError) as raised:
        asyncio.run(read(source))
    return f"{raised.value.message}\n{raised.value.remedy}".removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    "row",
    [
        "7,ann,Private,+49 170 12345,ann@secret.example",
        "7,ann,Private,Private,Private",
        "7,ann,,Private",
        "\ufeff\ufeff7,ann,Private",
        "7;ann;Private",
        "u-7,ann,Private,manager,ann@secret.example",
        "ann,Private,+49 170 12345,title",
    ],
)
def test_a_row_in_place_of_the_header_is_not_shown(tmp_path: Path, row: str) -> None:
    told = void(tmp_path, f"{row}\n8,bob,,,\n")
    assert told.startswith(f"users.csv:1: {MISSING}\n")
    assert not any(cell in told for cell in ("Private", "ann", "7", "170", "secret"))
    assert "with at least id, spelt just so" in told
    assert "option `delimiter` wrong (now ',')" in told


def test_memberships_need_a_header_too(tmp_path: Path) -> None:
    assert void(tmp_path, "id\n1\n", members="ops,1\n").startswith(f"members.csv:1: {MISSING}\n")


@pytest.mark.parametrize(
    ("users", "says"),
    [
        ("Personnel No.,userName\n", "the header has no column id; it has Personnel No., userName"),
        ("ID;userName\n", "the header has no column id; it has ID;userName"),
        ("Name,Name,email\n", "the header names the column Name 2 times"),
        ("id,2024,2024\n", "the header names the column 2024 2 times"),
    ],
)
def test_a_header_is_shown(tmp_path: Path, users: str, says: str) -> None:
    assert void(tmp_path, users).startswith(f"users.csv:1: {says}\n")
