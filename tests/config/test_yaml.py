"""YAML is read strictly: malformed or misleading text is an error with its place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.config.writing import DESK, fault, faults, loaded
from usersyncd.config.document import Document
from usersyncd.core.model import Constant
from usersyncd.errors import Place

pytestmark = pytest.mark.usefixtures("acme")


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("directories:\n\tdesk: x\n", 2, 1, "indent with spaces, not tabs"),
        ("directories: [a, b\ntargets: {}\n", 2, 8, "a comma or ] is missing"),
        ("{", 2, 1, "a ] or } is missing"),
        ("state: 'sqlite\n", 2, 1, "a closing quote is missing"),
        ("state: a: b\n", 1, 9, "no key can stand here"),
        ("state: *nowhere\n", 1, 8, "quote the value if it is text that begins with *"),
        ("state: @x\n", 1, 8, "quote text that begins with @"),
        ("directories:\n  a: 1\n b: 2\n", 3, 2, "not indented like the lines around it"),
        ("a: 1\n---\nb: 2\n", 2, 1, "one file holds one document"),
        ('a:\n  where: "x" in user.groups\n', 2, 14, "put an expression as a whole into single quotes"),
        ("a: {where: 'x' in user.groups}\n", 1, 16, "put an expression as a whole into single quotes"),
        ('state: "\\q"\n', 1, 9, "use single quotes"),
        ("state: \x07\n", 1, 8, "the control character U+0007 is not allowed"),
        ("directories: " + "[" * 101 + "]" * 101, 1, 113, "more than 100 lists and mappings"),
        ("- a\n- b\n", 1, 1, "must be a mapping"),
        ("just text\n", 1, 1, "must be a mapping"),
        ("? [a, b]\n: 1\n" + DESK, 1, 3, "a key must be text"),
        ("~: 1\n" + DESK, 1, 1, "a key is missing before the colon"),
        ("", 1, 1, "the file is empty"),
        ("# nothing but a comment\n", 1, 1, "the file is empty"),
        (b"directories:\n  caf\xe9: {}\n", 2, 6, "this is not UTF-8"),
    ],
)
def test_malformed_yaml_names_its_place_and_what_to_do(
    tmp_path: Path, text: str | bytes, line: int, column: int, says: str
) -> None:
    found = fault(tmp_path, text)
    assert (found.file, found.line, found.column) == ("config.yaml", line, column)
    assert says in found.message


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + DESK.replace("\n", "\r\n").encode())
    assert list(loaded(tmp_path, file.read_text("utf-8")).directories) == ["desk"]


def test_a_key_that_stands_twice_is_an_error_at_the_second(tmp_path: Path) -> None:
    found = fault(tmp_path, DESK + "    every: 1m\n    every: 2m\n")
    assert (found.line, found.column, found.path) == (5, 5, "directories.desk.every")
    assert "is repeated: the first one is on line 4" in found.message


@pytest.mark.parametrize("word", ["no", "Yes", "on", "OFF", "y", "N"])
def test_words_that_are_booleans_in_yaml_1_1_are_refused(tmp_path: Path, word: str) -> None:
    found = fault(tmp_path, DESK + f"lookups:\n  countries:\n    Norway: {word}\n")
    assert (found.line, found.column, found.path) == (6, 13, "lookups.countries.Norway")
    assert "write true or false, or" in found.message
    found = fault(tmp_path, DESK + f"lookups:\n  countries:\n    {word}: Norway\n")
    assert (found.line, found.column) == (6, 5)


@pytest.mark.parametrize(
    "number",
    [
        "0123",
        "-07",
        "12:30:45",
        "02:00",
        "190:20:30.15",
        "1_000",
        "0x1F",
        "0o17",
        "0b101",
        "+4930123456",
        "1e5",
        ".5",
        "5.",
        ".inf",
        ".NaN",
        "12345678901234567890",
    ],
)
def test_numbers_that_yaml_readers_read_differently_are_refused(tmp_path: Path, number: str) -> None:
    found = fault(tmp_path, DESK + f"lookups:\n  rooms:\n    desk: {number}\n")
    assert (found.line, found.column) == (6, 11)
    assert "in quotes" in found.message


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True), ("FALSE", False), ("~", None), ("", None), ("12", 12), ("-3", -3), ("0", 0), ("2.50", 2.5),
        ("'no'", "no"), ('"0123"', "0123"), ("!!str no", "no"),
        ("2026-03-31", "2026-03-31"), ("1.2.3", "1.2.3"), ("=", "="),
        ("|\n  two\n  lines", "two\nlines"), ('"\\u00e9"', "é"),
    ],
)  # fmt: skip
def test_plain_scalars_are_read_as_written(written: str, value: object) -> None:
    document = Document("f", f"key: {written}\n")
    assert document.faults() == []
    assert document.data in ({"key": value}, {"key": f"{value}\n"})
    assert type(document.data["key"]) is type(value)


@pytest.mark.parametrize(
    "written", ["!!binary aGk=", "!custom x", "!!int '5'", "!!set {a}", "!!python/name:os.system x", "!x [1]"]
)
def test_tags_have_no_meaning(written: str) -> None:
    (found,) = Document("f", f"key: {written}\n").faults()
    assert "tags" in found.message


def test_keys_are_text_as_written() -> None:
    assert Document("f", "{4711: a, 1.10: b, true: c}").data == {"4711": "a", "1.10": "b", "true": "c"}


def test_aliases_and_merge_keys_share_options(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """\
        directories:
          desk: &desk
            connector: acme-paper
            every: 1m
            attributes: {title: role}
          drawer:
            <<: *desk
            every: 2m
        """,
    )
    desk, drawer = config.directories.values()
    assert drawer.attributes == desk.attributes
    assert (desk.every.total_seconds(), drawer.every.total_seconds()) == (60, 120)


def test_an_alias_that_contains_itself_is_an_error_not_a_loop(tmp_path: Path) -> None:
    assert "contains itself" in faults(tmp_path, "directories: &a\n  desk: *a\n")[0].message
    assert any("contains itself" in found.message for found in faults(tmp_path, "directories: &a\n  <<: *a\n"))


@pytest.mark.parametrize("merge", [False, True])
def test_exploding_aliases_do_not_hang(tmp_path: Path, merge: bool) -> None:
    lines = ["l0: &l0 {" + ", ".join(f"k{index}: x" for index in range(10)) + "}"]
    for level in range(1, 30):
        items = ", ".join([f"*l{level - 1}"] * 10)
        own = ", ".join(f"k{level}_{index}: *l{level - 1}" for index in range(10))
        lines.append(f"l{level}: &l{level} {{<<: [{items}], {own}}}" if merge else f"l{level}: &l{level} [{items}]")
    started = time.process_time()
    found = fault(tmp_path, "\n".join(lines))
    assert "1,000,000 values" in found.message
    assert time.process_time() - started < 10


def test_a_hundred_thousand_brackets_do_not_hang(tmp_path: Path) -> None:
    started = time.process_time()
    assert "lists and mappings" in fault(tmp_path, "[" * 100_000).message
    assert time.process_time() - started < 10


def test_a_shared_value_that_is_wrong_is_one_fault(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        DESK + "targets:\n  t:\n    connector: acme-shelf\n    options: {height: 1}\n"
        "    users: {key: k, set: {k: user.id, a: {value: [1, null, 'x']}}}\n",
    )
    rules = config.targets["t"].users.set
    assert rules is not None
    assert rules["a"] == Constant([1, None, "x"], Place(f"{tmp_path}/config.yaml", 8, 42))
    both = DESK + "lookups:\n  a: &t {x: 007}\n  b: *t\n"
    assert fault(tmp_path, both).line == 5
