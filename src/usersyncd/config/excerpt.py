"""Excerpts: the line of a fault as it may be shown, with possible secrets blanked out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import yaml
from msgspec import structs

from usersyncd.errors import Fault

BLANK = "…"

_SECRET_KEY = re.compile(r"pass|pwd|secret|token|credential|private|passphrase", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"://[^:/@\s]*:(?![0-9]+(?:/|$))(?P<password>[^@]*)@")
_URL_PARAMETER = re.compile(r"[?&;][\w-]*(?:pass|pwd|secret|token)[\w-]*=(?P<password>[^&;\s\"']+)", re.IGNORECASE)
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


def split_lines(text: str) -> list[str]:
    """Split a text into lines as YAML 1.1 counts them (section 5.4: also NEL, LS and PS break a line)."""
    return LINE_BREAK.split(text)


def looks_secret(key: str) -> bool:
    """Whether a value under this key may be a secret."""
    return _SECRET_KEY.search(key) is not None


def url_password(text: str) -> bool:
    """Whether the text is a URL that holds a password: ``scheme://user:secret@host`` or ``…?password=secret``."""
    return "://" in text and (_URL_PASSWORD.search(text) is not None or _URL_PARAMETER.search(text) is not None)


class Excerpts:
    """The lines of one file, and the parts of them that must not be shown."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._hidden: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def hide(self, node: yaml.Node) -> None:
        """Blank out a value, on all its lines."""
        start, end = node.start_mark, node.end_mark
        for line in range(start.line, min(end.line, len(self._lines) - 1) + 1):
            first = start.column if line == start.line else 0
            last = end.column if line == end.line else len(self._lines[line])
            # A block ends behind the indentation of the line that follows it.
            if self._lines[line][first:last].strip():
                self._hidden[line].append((first, last))

    def only_key(self, line: int) -> None:
        """Blank out everything after the first key of a line, for a file that could not be parsed."""
        if line > len(self._lines):
            return
        text = self._lines[line - 1]
        self._hidden[line - 1].append((text.find(":") + 1, len(text)))

    def show(self, line: int, column: int) -> str:
        """The line, with a caret below the column; empty if there is nothing to show. Both numbers count from 1."""
        if line > len(self._lines):
            return ""
        text = self._lines[line - 1]
        spans = self._hidden[line - 1] + [
            match.span("password") for pattern in (_URL_PASSWORD, _URL_PARAMETER) for match in pattern.finditer(text)
        ]
        shown: list[str] = []
        caret, blanking = len(text), False
        for index, character in enumerate(text):
            hidden = any(first <= index < last for first, last in spans)
            if hidden and not blanking:
                shown.append(BLANK)
            elif not hidden:
                shown.append(" " if character == "\t" else character)
            blanking = hidden
            if index == column - 1:
                caret = len(shown) - 1
        if not "".join(shown).strip(f" {BLANK}"):
            return ""
        from rich.cells import cell_len  # Only a fault needs it.

        return f"    {''.join(shown)}\n    {' ' * cell_len(''.join(shown[:caret]))}^"


def in_order(file: str, excerpts: Excerpts, faults: Iterable[Fault]) -> list[Fault]:
    """Faults in the order of ``file``, each with its line; then those of other files."""
    shown = [
        structs.replace(fault, excerpt=excerpts.show(fault.line, fault.column)) if fault.file == file else fault
        for fault in faults
    ]
    return sorted(shown, key=lambda fault: (fault.file != file, fault.file, fault.line, fault.column, fault.path))
