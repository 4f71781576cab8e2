"""Finds and replaces text that cannot be stored: lone surrogates, which are halves of characters in UTF-16.

JSON contains them where text was cut off, and Python keeps bytes that are not UTF-8 as such halves (PEP 383).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from usersyncd.plugin import Value

REPLACEMENT = "\ufffd"
"""The character that stands for one that could not be read (U+FFFD)."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether a text can be stored as UTF-8."""
    return text.isascii() or _SURROGATE.search(text) is None


def is_keepable(text: str) -> bool:
    """Whether every state database can hold a text as an id: PostgreSQL does not store NUL characters."""
    return "\0" not in text and is_storable(text)


def escaped(text: str) -> str:
    """A text for a message, with escapes for what cannot be stored."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def with_replacements(attributes: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """The attributes with REPLACEMENT for each character that cannot be stored, and the names of those that changed."""
    replaced = {_replaced(name): _replaced(value) for name, value in attributes.items()}
    return replaced, [escaped(name) for name, value in attributes.items() if replaced.get(name) != value]


def _replaced(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub(REPLACEMENT, value)
        case list():
            return [_replaced(each) for each in value]
        case dict():
            return {_replaced(key): _replaced(each) for key, each in value.items()}
        case _:
            return value
