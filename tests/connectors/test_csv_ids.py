"""An id that an export or a spreadsheet damaged would turn a record into another one: it discards the pull."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from usersyncd.errors import SourceError
from usersyncd.testing import fold, read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

FILES = {
    "users": "id,userName\n1,ada\n2,bob\n",
    "groups": "id,displayName\nops,Ops\n",
    "members": "group_id,member_id\nops,1\n",
}


def source(folder: Path, files: Mapping[str, str]) -> CsvSource:
    for name, text in files.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    return CsvSource(
        CsvOptions.model_validate({name: f"{name}.csv" for name in files}),
        source_context(folder),
    )


def pull_error(folder: Path, **files: str) -> str:
    with pytest.raises(SourceError) as raised:
        asyncio.run(read(source(folder, FILES | files)))
    return f"{raised.value.message}\n{raised.value.remedy}".removeprefix(f"{folder}/")


def ids(folder: Path, **files: str) -> set[str]:
    return {key for _, key in fold(asyncio.run(read(source(folder, FILES | files))).items).records}


@pytest.mark.parametrize(
    ("cell", "says", "remedy"),
    [
        (
            "\ufeff2",
            r"id is '\ufeff2': an invisible byte order mark",
            "concatenate the files without byte order marks",
        ),
        ("2\u200b", r"id is '2\u200b': an invisible character", "pasted"),
        ("\u200e2", r"id is '\u200e2': an invisible character", "pasted"),
        (" 2", "id is ' 2': spaces around", "no padding"),
        ("2 ", "id is '2 ': spaces around", "no padding"),
        ("2\u00a0", r"id is '2\xa0': spaces around", "no padding"),
        ("2\t", r"id is '2\t': spaces around", "no padding"),
        ('"2\n"', r"id is '2\n': spaces around", "no padding"),
        ('="2"', "id is '=\"2\"': an id in the form of a text cell for Excel", "plain ids"),
        ('"=""  2"""', "id is '=\" 2\"': an id in the form of a text cell", "plain ids"),
        ("'2", 'id is "\'2": an id in the form of a text cell', "plain ids"),
        ('"""2"""', "id is '\"2\"': quotes around an id", "one pair of double quotes"),
        ("'ann'", "id is \"'ann'\": quotes around an id", "one pair of double quotes"),
        *(
            (cell, f"id is '{cell}': an error of the spreadsheet", "correct the formula")
            for cell in ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NV", "#¡VALOR!", "#####")
        ),
        *(
            (cell, f"id is '{cell.strip(chr(34))}': a number that a spreadsheet shortened", "column's format to Text")
            for cell in ("1.23457E+11", '"1,23457E+11"', "1E+05", "1.23457e+11")
        ),
    ],
)
def test_a_damaged_id_discards_the_pull(tmp_path: Path, cell: str, says: str, remedy: str) -> None:
    for file, column, text in (
        ("users", "id", f"id,userName\n1,ada\n{cell},bob\n"),
        ("groups", "id", f"id,displayName\nops,Ops\n{cell},Staff\n"),
        ("members", "member_id", f"group_id,member_id\nops,1\nops,{cell}\n"),
        ("members", "group_id", f"group_id,member_id\nops,1\n{cell},1\n"),
    ):
        message = pull_error(tmp_path, **{file: text})
        assert message.startswith(f"{file}.csv:3: {column} is"), message
        assert says in message
        assert remedy in message


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("users", "id,userName\n1,ada\nid,userName\n2,bob\n"),
        ("users", "id,userName\n1,ada\nuserName,id\nbob,2\n"),
        ("groups", "id\nops\nid\n"),
        ("members", "group_id,member_id\nops,1\ngroup_id,member_id\n"),
    ],
)
def test_a_header_among_the_rows_discards_the_pull(tmp_path: Path, file: str, text: str) -> None:
    message = pull_error(tmp_path, **{file: text})
    assert message.startswith(f"{file}.csv:3: this is a header line among the rows: two files were concatenated"), (
        message
    )
    assert "remove the line" in message


def test_other_ids_are_read_unchanged(tmp_path: Path) -> None:
    usual = [
        "0042",
        "id",
        "NA",
        "a b",
        "o'hara",
        "1e5",
        "#7",
        "#ops",
        "a=b",
        "MzQ1Ng==",
        "1.0",
        "-7",
        "می\u200cخواهم",
        "Zoë",
    ]
    users = "id,userName\n" + "".join(f"{cell},name\n" for cell in usual)
    assert ids(tmp_path, users=users) == {*usual, "ops"}
