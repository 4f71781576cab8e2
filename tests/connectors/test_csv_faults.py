"""The csv connector: every fault discards the pull, with file and line in the message."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.connectors.csv_folder import GROUPS, Folder, folder
from usersyncd.plugin import Kind
from usersyncd.testing import fold

__all__ = ["folder"]


# --------------------------------------------------------------------------------------------- what discards a pull


@pytest.mark.parametrize(
    ("users", "line", "says"),
    [
        ("id,title\n1,a\n2\n", 3, "the row has 1 cells, but the header has 2 columns"),
        ("id,title\n1,a\n2,b,c\n3,d\n", 3, "the row has 3 cells"),
        ("\nid,title\n\n1,a\n\n\n2\n", 7, "the row has 1 cells"),
        ('id,title\n1,"a\nb\nc"\n2\n', 5, "the row has 1 cells"),
        ("id,title\n1,a\n2,b\n1,c\n", 4, "the id 1 is also the id of the user in line 2"),
        ('id,title\n1,"a\nb"\n"1","c\nd"\n', 4, "the id 1 is also the id of the user in line 2"),
        ("id,title\n,a\n", 2, "id is '': the id is missing"),
        ("id,title\n1,a\n  ,a\n", 3, "the id is missing"),
        ("title,email\na,b\n", 1, "the header has no column id; it has title, email"),
        ("id;title\n1;a\n", 1, "the header has no column id; it has id;title"),
        ("id,title,title\n1,a,b\n", 1, "the header names the column title 2 times"),
        ("id,,title\n1,a,b\n", 1, "column 2 of the header has no name"),
        ("sep=;\nid;title\n1;a\n", 1, "this is Excel's line sep=;, not the header"),
        ("\ufeff\ufeffid,title\n1,a\n", 1, "the column id begins with an invisible byte order mark (BOM, U+FEFF)"),
        ("", 1, "the file is empty"),
        ("\n\n", 1, "the file is empty"),
        ('id,title\n1,a\n2,"b\n3,c\n', 3, "a quote is opened here and never closed"),
        ('id,title\n1,a\n2,"b" c\n', 3, "',' expected after '\"'"),
        ('"id,title\n1,a\n', 1, "a quote is opened here and never closed"),
        ('id,title\n1,a\n2,"' + "b,c\n" * 40_000, 3, "a quote is opened here and never closed"),
        ("id,title\n1,a\0\n", 2, "a NUL character"),
        (b"id,title\n" + b"1,\xe9\n" * 11, 2, "not utf-8: 11 of the file's lines are not"),
        (b"id,title\n1,a\n2,\xe2\x82", 3, "not utf-8"),
        ("id,active\n1,true\n2,perhaps\n", 3, "active is 'perhaps' (id 2): neither true nor false"),
        ("id,validUntil\n1,31.03.2026\n", 2, "validUntil is '31.03.2026' (id 1): not a date"),
        ("id,validFrom\n1,2026-02-30\n", 2, "validFrom is '2026-02-30'"),
        ("id,createdAt\n1,20260331\n", 2, "createdAt is '20260331'"),
        ("id,updatedAt\n1,2026-03-31T25:00\n", 2, "updatedAt is"),
    ],
)
def test_a_fault_in_users_discards_the_pull(folder: Folder, users: str | bytes, line: int, says: str) -> None:
    error = folder.write(users=users).pull_error()
    assert error.message.startswith(f"{folder.path}/users.csv:{line}: ")
    assert says in error.message


@pytest.mark.parametrize(
    ("file", "text", "line", "says"),
    [
        ("groups", "id,displayName\nops,Ops\nstaff\n", 3, "the row has 1 cells"),
        (
            "groups",
            "id,displayName\nops,Ops\nstaff,Staff\nops,Ops\n",
            4,
            "the id ops is also the id of the group in line 2",
        ),
        ("groups", "", 1, "the file is empty"),
        (
            "members",
            "group_id,member_id\nops,1\nnowhere,1\n",
            3,
            "group_id is 'nowhere': the file of groups has no such group",
        ),
        ("members", "group_id,member_id\n,1\n", 2, "the file of groups has no such group"),
        ("members", "group_id,member_id\nops,\n", 2, "member_id is ''"),
        ("members", "group_id,member_id,member_kind\nops,1,person\n", 2, "member_kind is 'person'"),
        ("members", "group_id,user\nops,1\n", 1, "the header has no column member_id"),
        ("members", "group_id,member_id\nops\n", 2, "the row has 1 cells"),
    ],
)
def test_a_fault_in_groups_or_members_discards_the_pull(
    folder: Folder, file: str, text: str, line: int, says: str
) -> None:
    folder.write(users="id\n1\n", groups=GROUPS, members="group_id,member_id\nops,1\n")
    error = folder.write(**{file: text}).pull_error()
    assert error.message.startswith(f"{folder.path}/{file}.csv:{line}: ")
    assert says in error.message


def test_an_encoding_other_than_the_configured_one_discards_the_pull(folder: Folder) -> None:
    assert "users.csv:1: not utf-16" in folder.write(users="id,title\n1,a\n").pull_error(encoding="utf-16").message
    assert (
        "users.csv:2: not ascii" in folder.write(users="id,title\n" + "1,é\n" * 11).pull_error(encoding="ascii").message
    )
    assert "users.csv:1: not utf-8" in folder.write("utf-16", users="id,title\n1,a\n").pull_error().message


def test_a_fault_far_below_is_found_with_its_line(folder: Folder) -> None:
    rows = [f'{number},"a\nb"' for number in range(5_000)]
    rows[4_321] = "4321"
    folder.write(users="id,title\n" + "\n".join(rows))
    assert folder.pull_error().message.startswith(f"{folder.path}/users.csv:{2 + 2 * 4_321}: ")
    rows[4_321] = "17,c"
    folder.write(users="id,title\n" + "\n".join(rows))
    assert folder.pull_error().message == (
        f"{folder.path}/users.csv:{2 + 2 * 4_321}: the id 17 is also the id of the user in line {2 + 2 * 17}"
    )


@pytest.mark.parametrize("missing", ["users", "groups", "members"])
def test_a_missing_file_discards_the_pull(folder: Folder, missing: str) -> None:
    folder.write(users="id\n1\n", groups=GROUPS, members="group_id,member_id\nops,1\n")
    error = folder.pull_error(**{missing: "elsewhere.csv"})
    assert error.message == f"{folder.path}/elsewhere.csv: No such file or directory"


def test_a_folder_or_a_pipe_does_not_block_the_pull(folder: Folder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "."):
        assert "not a regular file" in folder.pull_error(users=name).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_discards_the_pull(folder: Folder, tmp_path: Path) -> None:
    folder.write(users="id\n1\n")
    (tmp_path / "users.csv").chmod(0)
    assert "Permission denied" in folder.pull_error().message


# ------------------------------------------------------------------------------------- files that change meanwhile


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], object]], str]]:
    """An encoding whose decoder calls a function when it is created: simulates an event while a file is read."""
    happens: list[Callable[[], object]] = []

    def search(name: str) -> codecs.CodecInfo | None:
        if name != "meanwhile":
            return None
        utf_8 = codecs.lookup("utf-8")

        def decoder(errors: str = "strict") -> codecs.IncrementalDecoder:
            happens[0]()
            return utf_8.incrementaldecoder(errors)

        return codecs.CodecInfo(
            utf_8.encode,
            utf_8.decode,
            name=name,
            incrementaldecoder=decoder,
            incrementalencoder=utf_8.incrementalencoder,
        )

    def start(happening: Callable[[], object]) -> str:
        happens.append(happening)
        return "meanwhile"

    codecs.register(search)
    yield start
    codecs.unregister(search)


def once(happening: Callable[[], object]) -> Callable[[], object]:
    left = [happening]
    return lambda: left.pop()() if left else None


@pytest.mark.parametrize("how", ["append", "replace"])
def test_a_file_that_is_being_written_is_read_again(
    folder: Folder, meanwhile: Callable[[Callable[[], object]], str], how: str
) -> None:
    path = folder.write(users="id,title\n1,a\n2").path / "users.csv"

    def change() -> None:
        if how == "append":
            with path.open("a") as file:
                file.write(",b\n")
        else:
            path.with_suffix(".new").write_text("id,title\n1,a\n2,b\n")
            path.with_suffix(".new").rename(path)

    assert folder.users(encoding=meanwhile(once(change))) == {"1": {"title": "a"}, "2": {"title": "b"}}


def test_files_that_belong_together_are_read_together(
    folder: Folder, meanwhile: Callable[[Callable[[], object]], str]
) -> None:
    """The file of users is replaced after it was read, while the file of groups is being read."""
    folder.write(users="id\n1\n", groups=GROUPS)
    calls: list[int] = []

    def change() -> None:
        calls.append(1)
        if len(calls) == 2:
            folder.write(users="id\n1\n2\n")

    listing = fold(folder.pull(encoding=meanwhile(change)).items)
    assert (Kind.USER, "2") in listing.records


def test_a_file_that_keeps_changing_discards_the_pull(
    folder: Folder, meanwhile: Callable[[Callable[[], object]], str]
) -> None:
    path = folder.write(users="id\n1\n").path / "users.csv"
    tries: list[int] = []

    def change() -> None:
        tries.append(1)
        os.utime(path, ns=(0, len(tries)))

    error = folder.pull_error(encoding=meanwhile(change))
    assert error.message == f"{path}: the file keeps changing while it is read (3 tries)"
    assert len(tries) == 3
