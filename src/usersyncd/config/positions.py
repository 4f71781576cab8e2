"""Finds the place in the file of each character of a YAML text: the file also has escapes and indentation, which are
not part of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from usersyncd.config.excerpt import LINE_BREAK
from usersyncd.errors import Place

Turns = tuple[tuple[int, Place], ...]
"""Pairs of an offset in a text and its place in the file. Between the offsets of two pairs, each character of the text
is one column further."""

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_ESCAPE = re.compile(r"\\(?:x.{2}|u.{4}|U.{8}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "\t": "\t", " ": " ", "_": "\xa0", "N": "\x85", "L": "\u2028", "P": "\u2029"}
"""The escapes that give white space (YAML 1.1, section 5.6)."""


def turns(file: str, source: str, node: yaml.ScalarNode) -> Turns:
    """The turns of a scalar's value. ``source`` is the whole file."""
    start: Any = node.start_mark
    raw = source[start.index : node.end_mark.index]
    column = start.column
    found: list[tuple[int, Place]] = []
    expected = -1
    for offset, at in enumerate(_places(node.value, _characters(raw, node.style), len(raw))):
        if at != expected:
            found.append((offset, _place(file, raw, at, start.line, column)))
        expected = at + 1
    return tuple(found)


def _place(file: str, raw: str, at: int, line: int, column: int) -> Place:
    lines = LINE_BREAK.split(raw[:at])
    return Place(file, line + len(lines), len(lines[-1]) + 1 + (column if len(lines) == 1 else 0))


def _places(value: str, characters: Iterator[tuple[str, int]], end: int) -> Iterator[int]:
    """For each character of ``value``, and for its end, the index in the file's text.

    YAML folds lines, so white space of the value may differ from that of the file. It is skipped, not compared.
    """
    behind = 0
    here = next(characters, None)
    for character in value:
        while here and here[0] != character and here[0].isspace() and not character.isspace():
            here = next(characters, None)
        if here and here[0] == character:
            yield here[1]
            behind = here[1] + 1
            here = next(characters, None)
        else:
            yield here[1] if here else behind
    yield here[1] if here and not value else behind or end


def _characters(raw: str, style: str | None) -> Iterator[tuple[str, int]]:
    """The characters of a scalar as it is written, without quotes and escapes, and their indices."""
    begin = _PROPERTIES.match(raw)
    at = begin.end() if begin else 0
    end = len(raw)
    if style in ("|", ">"):
        head = LINE_BREAK.search(raw, at)
        at = head.end() if head else end
    elif style:
        at, end = at + 1, end - 1
    while at < end:
        escape = _ESCAPE.match(raw, at, end) if style == '"' else None
        if escape:
            yield _unescaped(escape[0]), at
            at = escape.end()
        else:
            yield raw[at], at
            at += 2 if style == "'" and raw[at] == "'" else 1


def _unescaped(escape: str) -> str:
    letter, digits = escape[1], escape[2:]
    return chr(int(digits, base=16)) if digits else _LETTERS.get(letter, letter)
