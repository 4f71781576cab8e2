"""The csv connector: what files and options may contain."""

from __future__ import annotations

import asyncio
import csv
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.connectors.csv_folder import GROUPS, Folder, folder
from usersyncd.plugin import Done, Kind, Members
from usersyncd.testing import fold
from usersyncd_csv.options import CsvOptions

__all__ = ["folder"]


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
        f"{folder.path}/members.csv: 1 membership, 2 columns",
    ]


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
