"""A few bytes outside the encoding affect only their cells; many mean that the file has another encoding."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from usersyncd.errors import SourceError
from usersyncd.plugin import Members, Record
from usersyncd.testing import read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions


def pulled(
    folder: Path,
    users: bytes,
    members: bytes = b"group_id,member_id\n",
    groups: bytes = b"id,displayName\nops,Ops\n",
    **options: Any,
) -> list[Any]:
    for name, content in (("users", users), ("groups", groups), ("members", members)):
        (folder / f"{name}.csv").write_bytes(content)
    given = {"users": "users.csv", "groups": "groups.csv", "members": "members.csv", **options}
    return list(asyncio.run(read(CsvSource(CsvOptions.model_validate(given), source_context(folder)))).items)


def users_of(items: list[Any]) -> dict[str, dict[str, Any]]:
    return {item.id: item.attributes for item in items if isinstance(item, Record) and item.id != "ops"}


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8-sig", "ascii"])
def test_an_invalid_cell_keeps_its_bytes_and_the_others_are_intact(tmp_path: Path, encoding: str) -> None:
    items = pulled(tmp_path, b"id,displayName\n1,Ada\n2,J\xf6rg\n3,Bob\n", encoding=encoding)
    assert users_of(items) == {
        "1": {"displayName": "Ada"}, "2": {"displayName": "J\udcf6rg"}, "3": {"displayName": "Bob"},
    }  # fmt: skip


def test_a_byte_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    items = pulled(tmp_path, b"id,displayName\n1,J\xf6rg \x81\n", encoding="cp1252")
    assert users_of(items) == {"1": {"displayName": "Jörg \udc81"}}


def test_ids_and_members_keep_their_bytes(tmp_path: Path) -> None:
    items = pulled(tmp_path, b"id\nj\xf6rg\n", b"group_id,member_id\nops,j\xf6rg\n")
    assert set(users_of(items)) == {"j\udcf6rg"}
    assert [item.added for item in items if isinstance(item, Members)] == [frozenset({"j\udcf6rg"})]


def test_few_invalid_lines_among_many_do_not_mean_another_encoding(tmp_path: Path) -> None:
    lines = [b"%d,%b\n" % (number, b"\xe9" if number % 20 == 0 else "é".encode()) for number in range(1, 1001)]
    found = users_of(pulled(tmp_path, b"id,title\n" + b"".join(lines)))
    assert [id_ for id_, held in found.items() if held["title"] != "é"] == [
        str(number) for number in range(20, 1001, 20)
    ]


@pytest.mark.parametrize(
    ("users", "says"),
    [
        (b"id,title\n1,a\n" + b"2,\xe9\n" * 11, r"users.csv:3: not utf-8: 11 of the file's lines are not"),
        (b"id,t\xe9\n1,a\n", r"users.csv:1: the header has bytes that are not in the encoding"),
        (b"id,title\n1,a\n2,\xe2\x82", r"users.csv:3: not utf-8: it ends in the middle of a character"),
        (b"id,title\n1,\xe9\0", r"users.csv:2: not utf-8: nor is it text"),
    ],
)
def test_another_encoding_discards_the_pull(tmp_path: Path, users: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says) as raised:
        pulled(tmp_path, users)
    assert "name its encoding in the option `encoding`" in str(raised.value.remedy)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_lone_surrogate_of_utf_16_affects_only_its_cell(tmp_path: Path, encoding: str) -> None:
    users = "id,displayName\n1,A\ud83d\n2,\ude00B\n3,😀\n".encode(encoding, "surrogatepass")
    other = {"groups": "id\nops\n".encode(encoding), "members": "group_id,member_id\n".encode(encoding)}
    items = pulled(tmp_path, users, **other, encoding=encoding)
    assert users_of(items) == {
        "1": {"displayName": "A\udced\udca0\udcbd"},
        "2": {"displayName": "\udced\udcb8\udc80B"},
        "3": {"displayName": "😀"},
    }


@pytest.mark.parametrize("cut", [1, 2])
def test_utf_16_that_ends_in_the_middle_of_a_character_discards_the_pull(tmp_path: Path, cut: int) -> None:
    users = "id,displayName\n1,😀".encode("utf-16")[:-cut]
    with pytest.raises(SourceError, match=r"users.csv:2: not utf-16: "):
        pulled(tmp_path, users, encoding="utf-16")


@pytest.mark.parametrize(
    ("written", "mark", "encoding", "name"),
    [
        ("utf-16-le", "\ufeff", "utf-8", "utf-16"),
        ("utf-16-be", "\ufeff", "cp1252", "utf-16"),
        ("utf-16-le", "", "utf-8", "utf-16-le"),
        ("utf-16-be", "", "utf-8", "utf-16-be"),
        ("utf-16-le", "", "utf-16", "utf-16-le"),
        ("utf-16-be", "\ufeff", "utf-16-le", "utf-16"),
        ("utf-32-le", "\ufeff", "utf-16", "utf-32"),
        ("utf-32-be", "", "utf-8", "utf-32-be"),
    ],
)
def test_utf_16_is_named_in_the_message(tmp_path: Path, written: str, mark: str, encoding: str, name: str) -> None:
    with pytest.raises(SourceError) as raised:
        pulled(tmp_path, f"{mark}id,title\n1,a\n".encode(written), encoding=encoding)
    assert raised.value.message.endswith(f"users.csv:1: not {encoding}: this is {name.upper()}")
    assert raised.value.remedy == f"write the option `encoding: {name}`"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_utf_8_is_not_taken_for_utf_16(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(SourceError, match=f"users.csv:1: not {encoding}: it has no NUL bytes"):
        pulled(tmp_path, b"id,title\n1,ab\n", encoding=encoding)
