"""Messages about a file: they give the next step, and show little or no personal data."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from usersyncd.core.model import Rule, Ruleset
from usersyncd.core.rules import compile_rules
from usersyncd.errors import Place, SourceError
from usersyncd.plugin import Kind
from usersyncd.testing import read, source_context
from usersyncd_csv import CsvSource
from usersyncd_csv.options import CsvOptions

NOW = datetime(2026, 11, 27, 12, 30, tzinfo=UTC)

MISSING = "the first line names none of the known columns: is the header missing?"


def attributes(remedy: str) -> dict[str, str]:
    """The mapping in a remedy."""
    mapping: dict[str, str] = yaml.safe_load(remedy.split("`")[1])["attributes"]
    return mapping


def pull_error(folder: Path, users: str, members: str = "group_id,member_id\n", **options: str) -> str:
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
    message = pull_error(tmp_path, f"{row}\n8,bob,,,\n")
    assert message.startswith(f"users.csv:1: {MISSING}\n")
    assert not any(cell in message for cell in ("Private", "ann", "7", "170", "secret"))
    assert "with at least id, spelt just so" in message
    assert "option `delimiter` wrong (now ',')" in message


def test_memberships_need_a_header_too(tmp_path: Path) -> None:
    assert pull_error(tmp_path, "id\n1\n", members="ops,1\n").startswith(f"members.csv:1: {MISSING}\n")


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
    assert pull_error(tmp_path, users).startswith(f"users.csv:1: {says}\n")


@pytest.mark.parametrize(
    ("line", "shown", "delimiter"),
    [("sep=\t", r"sep=\t", "\t"), ("sep=;", "sep=;", ";"), ('"sep=|"', "sep=|", "|"), ("sep=,", "sep=,", ",")],
)
def test_the_line_sep_names_the_delimiter_to_write(tmp_path: Path, line: str, shown: str, delimiter: str) -> None:
    for configured in (",", delimiter):
        message = pull_error(tmp_path, f"{line}\nid{delimiter}userName\n", delimiter=configured)
        assert message.startswith(f"users.csv:1: this is Excel's line {shown}, not the header\n")
        assert yaml.safe_load(message.split("`")[1]) == {"delimiter": delimiter}


@pytest.mark.parametrize("cell", ["x" * 200_000, '"' + "x\n" * 200_000])
def test_a_too_long_cell_is_reported_with_the_limit(tmp_path: Path, cell: str) -> None:
    message = pull_error(tmp_path, f"id,displayName\n1,{cell}\n")
    assert message.startswith(
        "users.csv:2: a quote is opened here and never closed, or a cell has more than 131,072 char"
    )
    assert "shorten a longer cell" in message


@pytest.mark.parametrize(
    "users",
    [
        f"id,validUntil\n1,{'x' * 100_000}\n",
        f"id,active\n{'x' * 100_000},perhaps\n",
        f"id\n{'x' * 100_000}\n{'x' * 100_000}\n",
        f"id\n={'x' * 100_000}\n",
    ],
)
def test_only_the_beginning_of_a_long_cell_is_shown(tmp_path: Path, users: str) -> None:
    message = pull_error(tmp_path, users)
    assert f"{'x' * 50}" in message
    assert "…" in message
    assert len(message) < 600


@pytest.mark.parametrize(
    ("column", "cell", "meant"),
    [("active", "WAHR", True), ("active", "FALSCH", False), ("validUntil", "31.12.2026", "2026-12-31")],
)
def test_a_mapping_is_proposed_for_a_file_that_cannot_be_changed(
    tmp_path: Path, column: str, cell: str, meant: bool | str
) -> None:
    mapping = attributes(pull_error(tmp_path, f"id,{column}\n1,{cell}\n"))
    at = Place("config.yaml")
    rules = compile_rules(
        directory="hr",
        mapping={},
        attributes={Kind.USER: {name: Rule(text, at) for name, text in mapping.items()}},
        users=Ruleset(None, "key", {"key": Rule("user.id", at), "got": Rule(f"user.{column}", at)}),
        groups=Ruleset(),
        lookups={},
        deactivates=False,
    )
    for held, read_as in (({column: cell}, meant), ({}, False if column == "active" else None)):
        assert rules.shape_user("1", held, now=NOW).shape == {"key": "1", "got": read_as}
