"""JSON documents: long lists are written item by item, everything else as msgspec formats it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import msgspec
import pytest

from usersyncd.cli.common import StreamedList, print_json


class Row(msgspec.Struct):
    number: float
    words: list[str]


def test_long_lists_are_written_in_their_place(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    items = [b'{"a": "items of \\u0000"}', b"[]", '"Zoë"'.encode()]
    print_json(
        {
            "first": StreamedList(items),
            "inner": [{"second": StreamedList([]), "x": 1}, {"third": StreamedList(items[:1])}],
        }
    )
    assert json.loads(capfdbinary.readouterr().out) == {
        "first": [{"a": "items of \0"}, [], "Zoë"],
        "inner": [{"second": [], "x": 1}, {"third": [{"a": "items of \0"}]}],
    }


def test_a_document_is_indented_as_msgspec_does(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    document = {"a": [], "b": {}, "c": [1, {"d": [None, "line\nbreak"], "e": Row(1.5, ["x"])}], "f": "Zoë"}
    print_json(document)
    assert capfdbinary.readouterr().out == msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def test_items_are_written_as_they_come(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A list may be too long for memory: nothing is collected before it is written."""
    written: list[int] = []

    def items() -> Iterator[bytes]:
        for _ in range(3):
            sys.stdout.flush()
            written.append(len(capfdbinary.readouterr().out))
            yield b'"item"'

    print_json({"targets": [{"changes": StreamedList(items())}]})
    assert all(written)
