"""Makes text from outside safe to print. It escapes characters that move a terminal's cursor, change the writing
direction, or begin a line that looks like another message."""

from __future__ import annotations

import re

_CONTROL = r"\x7f-\x9f\u2028-\u202e\u2066-\u2069"
"""DEL and C1, line and paragraph separator, and the bidi controls (Unicode, UAX #9)."""
_ANY = re.compile(rf"[\x00-\x1f{_CONTROL}]")
_WITHIN_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f{_CONTROL}]")
_IN_JSON = re.compile(f"[{_CONTROL}]")


def clean(text: str) -> str:
    """One line of text, with unsafe characters escaped."""
    return text if text.isprintable() else _ANY.sub(_escaped, text)


def clean_lines(text: str) -> str:
    """Like clean, for text of several lines."""
    return text if text.isprintable() else _WITHIN_LINES.sub(_escaped, text)


def clean_json(document: str) -> str:
    """An equivalent JSON document that is safe to print. JSON itself requires escapes for the C0 controls only (RFC
    8259)."""
    return document if document.isprintable() else _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
