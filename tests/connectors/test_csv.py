"""The csv connector: what files may contain, and that every fault discards the pull with file and line in the
message."""

from __future__ import annotations

import asyncio
import codecs
import csv
import os
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from usersyncd.errors import SourceError
from usersyncd.plugin import Done, Kind, Members, Record
from usersyncd.testing import Pull, fold, read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

GROUPS = "id,displayName\nstaff,Staff\nops,Ops\n"


class Folder:
    """Three files, and the source that reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def source(
        self, reads: Mapping[Kind, frozenset[str] | None] | None = None, mapped: Sequence[str] = (), **options: Any
    ) -> CsvSource:
        names = {name: f"{name}.csv" for name in ("users", "groups", "members") if (self.path / f"{name}.csv").exists()}
        context = source_context(self.path, reads=reads, mapped={Kind.USER: mapped})
        return CsvSource(CsvOptions(**{"users": "users.csv", **names, **options}), context)

    def write(self, encoding: str = "utf-8", **files: str | bytes) -> Folder:
        for name, text in files.items():
            (self.path / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return self

    def pull(self, **options: Any) -> Pull:
        return asyncio.run(read(self.source(**options)))

    def users(self, **options: Any) -> dict[str, dict[str, Any]]:
        return {record.id: record.attributes for record in self.pull(**options).items if isinstance(record, Record)}

    def pull_error(self, **options: Any) -> SourceError:
        """Pull, check that the pull fails without `Done`, and return the error."""
        pages: list[Any] = []

        async def collect() -> None:
            async for page in self.source(**options).pull(None):
                pages.append(page)

        with pytest.raises(SourceError) as raised:
            asyncio.run(collect())
        assert not any(isinstance(page, Done) for page in pages)
        assert raised.value.remedy
        return raised.value


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# ------------------------------------------------------------------------------------------------- what a file may say


def test_columns_are_attributes_and_empty_cells_are_absent(folder: Folder) -> None:
    folder.write(users="id,userName,email,shoeSize\n1,ada,ada@acme.example,\n2,,,44\n")
    assert folder.users() == {"1": {"userName": "ada", "email": "ada@acme.example"}, "2": {"shoeSize": "44"}}


def test_text_is_kept_unchanged(folder: Folder) -> None:
    folder.write(users="id,employeeNumber,displayName,costCenter\n007,0042,  Ada ,1e5\nNA,null,NaN,None\n")
    assert folder.users() == {
        "007": {"employeeNumber": "0042", "displayName": "  Ada ", "costCenter": "1e5"},
        "NA": {"employeeNumber": "null", "displayName": "NaN", "costCenter": "None"},
    }


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
IDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs", "Cf"]), max_size=20).map("<{}>".format)


@given(st.dictionaries(IDS, st.tuples(CELLS, CELLS), max_size=10))
def test_output_of_common_programs_is_read(
    tmp_path_factory: pytest.TempPathFactory, people: dict[str, tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv")
    with (path / "users.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "title", "own"], *([key, *cells] for key, cells in people.items())])
    assert Folder(path).users() == {
        key: {name: cell for name, cell in zip(("title", "own"), cells, strict=True) if cell}
        for key, cells in people.items()
    }


@pytest.mark.parametrize(
    ("cell", "active"),
    [
        ("true", True),
        ("TRUE", True),
        ("yes", True),
        ("1", True),
        ("false", False),
        ("False", False),
        ("no", False),
        ("0", False),
    ],
)
def test_active_is_true_or_false(folder: Folder, cell: str, active: bool) -> None:
    folder.write(users=f"id,active\n1,{cell}\n2,\n")
    assert folder.users() == {"1": {"active": active}, "2": {}}


@pytest.mark.parametrize(
    "date", ["2026-03-31", "2026-03-31T17:00", "2026-03-31T17:00:00Z", "2026-03-31 17:00:00.5+02:00", "2024-02-29"]
)
def test_dates_are_iso_8601(folder: Folder, date: str) -> None:
    folder.write(users=f"id,validUntil,validFrom\n1,{date},\n")
    assert folder.users() == {"1": {"validUntil": date}}


def test_quoted_cells_may_contain_anything(folder: Folder) -> None:
    folder.write(users='id,title,displayName\r\n1,"Head, Works","said ""no""\r\nand left"\r\n2,"",李\r\n')
    assert folder.users() == {
        "1": {"title": "Head, Works", "displayName": 'said "no"\r\nand left'},
        "2": {"displayName": "李"},
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_is_accepted_and_the_last_is_optional(folder: Folder, end: str) -> None:
    folder.write(users=end.join(["id,title", "1,a", "", "2,b"]))
    assert folder.users() == {"1": {"title": "a"}, "2": {"title": "b"}}


@pytest.mark.parametrize(
    ("written", "encoding"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-8-sig", "UTF8"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_encodings(folder: Folder, written: str, encoding: str) -> None:
    folder.write(written, users="id,displayName\n1,Zoë Łącka\n" if written != "cp1252" else "id,displayName\n1,Zoë\n")
    assert folder.users(encoding=encoding)["1"]["displayName"].startswith("Zoë")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_byte_order_mark_is_not_text(folder: Folder, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    folder.write(encoding, users=f"{mark}id,userName\n1,Zoë\ufeff\n")
    assert folder.users(encoding=encoding) == {"1": {"userName": "Zoë\ufeff"}}


def test_ids_may_be_in_any_column(folder: Folder) -> None:
    folder.write(users="Personnel No.,id,userName\n007,x,ada\n")
    assert folder.users(id="Personnel No.") == {"007": {"id": "x", "userName": "ada"}}
    reads = {Kind.USER: frozenset({"Personnel No."})}
    assert folder.users(id="Personnel No.", reads=reads) == {"007": {"Personnel No.": "007"}}
    assert "no column PersNo" in folder.pull_error(id="PersNo").message
    folder.write(users="Personnel No.,active\n007,perhaps\n")
    assert "users.csv:2: active is 'perhaps' (id 007): neither" in folder.pull_error(id="Personnel No.").message


def test_a_column_needs_its_format_only_if_rules_read_it_as_that_attribute(folder: Folder) -> None:
    folder.write(users="id,active,createdAt\n1,Y,12/31/2024 10:15\n")
    assert folder.users(reads={Kind.USER: frozenset({"active"})}, mapped=["active"]) == {"1": {"active": "Y"}}
    assert folder.users(reads={Kind.USER: frozenset()}) == {"1": {}}
    assert "createdAt" in folder.pull_error(reads={Kind.USER: frozenset({"createdAt"})}).message


def test_another_delimiter(folder: Folder) -> None:
    folder.write(users='id;title\n1;a, b\n2;"c;d"\n')
    assert folder.users(delimiter=";") == {"1": {"title": "a, b"}, "2": {"title": "c;d"}}


def test_only_what_the_rules_read_is_kept(folder: Folder) -> None:
    folder.write(users="title,id,active,email\na,1,true,x\n", groups="id,displayName,floor\ng,G,3\n")
    reads = {Kind.USER: frozenset({"email"}), Kind.GROUP: frozenset[str]()}
    listing = fold(folder.pull(reads=reads).items)
    assert listing.records == {(Kind.USER, "1"): {"email": "x"}, (Kind.GROUP, "g"): {}}


def test_a_header_alone_is_an_empty_directory(folder: Folder) -> None:
    folder.write(users="id,userName\n", groups="id,displayName\n", members="group_id,member_id\n")
    pull = folder.pull()
    assert not list(pull.items)
    assert pull.ends == [Done(cursor=None, complete=True)]


def test_memberships(folder: Folder) -> None:
    folder.write(users="id\n1\n2\n", groups=GROUPS, members="group_id,member_id\nops,1\nstaff,ops\nops,2\nops,1\n")
    assert fold(folder.pull().items).edges == {("ops", "1"), ("ops", "2"), ("staff", "ops")}


def test_member_kind_distinguishes_a_user_and_a_group_with_the_same_id(folder: Folder) -> None:
    folder.write(
        users="id\n7\n8\n",
        groups="id\n1\n7\n",
        members="group_id,member_id,member_kind\n1,7,user\n1,7,group\n1,8,\n",
    )
    listing = fold(folder.pull().items)
    assert listing.edges == {("1", "user:7"), ("1", "group:7"), ("1", "8")}
    assert listing.handles["user:7"] == (Kind.USER, "7")
    assert listing.handles["group:7"] == (Kind.GROUP, "7")


def test_a_member_that_is_not_listed_is_left_to_the_core(folder: Folder) -> None:
    folder.write(users="id\n1\n", groups=GROUPS, members="group_id,member_id\nops,99\n")
    assert fold(folder.pull().items).edges == {("ops", "99")}


def test_relative_and_absolute_paths(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.csv").write_text("id\n1\n")
    assert folder.users(users="in/people.csv") == folder.users(users=str(tmp_path / "in" / "people.csv")) == {"1": {}}


def test_check_describes_the_files(folder: Folder) -> None:
    folder.write(users="id,email,shoeSize\n1,x,38\n2,y,\n", groups=GROUPS, members="group_id,member_id\nops,1\n")
    lines = asyncio.run(folder.source().check())
    assert lines == [
        f"{folder.path}/users.csv: 2 users, 3 columns, of your own: shoeSize",
        f"{folder.path}/groups.csv: 2 groups, 2 columns",
        f"{folder.path}/members.csv: 1 memberships, 2 columns",
    ]


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


# ---------------------------------------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "users"),
        ({"users": ""}, "users"),
        ({"users": "u.csv", "members": "m.csv"}, "members is given without groups"),
        ({"users": "u.csv", "delimiter": ";;"}, "delimiter"),
        ({"users": "u.csv", "delimiter": '"'}, "a delimiter is one character"),
        ({"users": "u.csv", "encoding": "utf-9"}, "'utf-9' is not an encoding of Python"),
        ({"users": "u.csv", "encoding": "base64"}, "'base64' is not an encoding"),
        ({"users": "u.csv", "quote": "'"}, "quote"),
    ],
)
def test_options_that_are_refused(options: Mapping[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CsvOptions.model_validate(options)


# ----------------------------------------------------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_files(folder: Folder) -> None:
    """100,000 users and as many memberships: the files are 14 MB, and the source does not keep the records that it
    yielded."""
    folder.write(
        users="id,userName,email,title\n"
        + "".join(f"user-{n},{n},{n}@acme.example,{'x' * 80}\n" for n in range(100_000)),
        groups=GROUPS,
        members="group_id,member_id\n" + "".join(f"ops,user-{n}\n" for n in range(100_000)),
    )

    async def count() -> int:
        found = 0
        async for page in folder.source().pull(None):
            if not isinstance(page, Done):
                found += sum(len(item.added) if isinstance(item, Members) else 1 for item in page)
        return found

    tracemalloc.start()
    try:
        assert asyncio.run(count()) == 200_002
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25_000_000


# ---------------------------------------------------------------------------------------------------------- the example


def test_the_example_company_is_consistent() -> None:
    """As its README says: every manager and every member exists, and every group is used."""
    acme = Path(__file__).parents[2] / "examples" / "acme"
    listing = fold(Folder(acme).pull().items)
    users = {key: attributes for (kind, key), attributes in listing.records.items() if kind is Kind.USER}
    groups = {key for kind, key in listing.records if kind is Kind.GROUP}
    assert (len(users), len(groups)) == (249, 20)
    assert [key for key, user in users.items() if user.get("manager") not in users] == ["u-0001"]
    assert {group for group, _ in listing.edges} == groups
    assert {member for _, member in listing.edges} <= set(listing.handles)
    expired = [user for user in users.values() if user["active"] and str(user.get("validUntil", "9999")) < "2026"]
    assert [user["userType"] for user in expired] == ["Contractor"] * 5
