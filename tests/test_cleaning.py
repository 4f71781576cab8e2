"""Text from outside is cleaned before it is shown."""

from __future__ import annotations

import json

import pytest

from usersyncd.cleaning import clean, clean_json, clean_lines

SPECIAL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
"""C0, DEL and C1, the line separators, the bidi controls."""
PLAIN = "Zoë 李 Ωmega – “x” \\ \u200d\U0001f469"


@pytest.mark.parametrize("code", SPECIAL)
def test_control_characters_of_terminals_are_escaped(code: int) -> None:
    text = f"{PLAIN}{chr(code)}"
    cleaned = clean(text)
    assert cleaned.startswith(PLAIN)
    assert all(ord(letter) not in SPECIAL for letter in cleaned)
    assert cleaned.removeprefix(PLAIN).encode().decode("unicode_escape") == chr(code)
    assert clean(cleaned) == cleaned


def test_line_breaks_are_kept() -> None:
    assert clean_lines("a\n\tb\r\n\x1b[2J\u2028") == "a\n\tb\\r\n\\x1b[2J\\u2028"


def test_a_cleaned_json_document_means_the_same() -> None:
    value = {"name": "".join(map(chr, SPECIAL)) + PLAIN}
    document = clean_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(document) == value
    assert all(ord(letter) not in SPECIAL for letter in document.replace("\n", ""))
    assert PLAIN.partition("\\")[0] in document
