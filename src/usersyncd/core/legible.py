"""Text that cannot be stored: halves of characters that UTF-16 writes as two (surrogates). JSON has them where a text
was cut, and bytes that are no UTF-8 are kept as such halves by Python (PEP 383)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from usersyncd.plugin import Value

MENDED = "\ufffd"
"""REPLACEMENT CHARACTER: it stands where a character could not be read."""

_HALF = re.compile("[\ud800-\udfff]")


def is_legible(text: str) -> bool:
    """Whether a text can be stored as UTF-8."""
    return text.isascii() or _HALF.search(text) is None


def escaped(text: str) -> str:
    """A text for a message, with escapes for what cannot be stored."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def mended(attributes: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """The attributes, where MENDED stands for what cannot be stored, and the names of those that were mended."""
    whole = {_mended(name): _mended(value) for name, value in attributes.items()}
    return whole, [escaped(name) for name, value in attributes.items() if whole.get(name) != value]


def _mended(value: Any) -> Any:
    match value:
        case str():
            return _HALF.sub(MENDED, value)
        case list():
            return [_mended(each) for each in value]
        case dict():
            return {_mended(key): _mended(each) for key, each in value.items()}
        case _:
            return value
