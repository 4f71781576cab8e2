"""Rows as one text for COPY (PostgreSQL manual, "COPY", Text Format), which takes a third of the time of one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from usersyncd_sql.reflected import Row

NULL = "\\N"
_TEXTS = {None: NULL, True: "t", False: "f"}
_PLAIN, _TRUTH, _MOMENTS = {str, type(None)}, {bool, type(None)}, {datetime, type(None)}


def copy_text(rows: Sequence[Row]) -> str | None:
    """The rows as text; None if a value has another type than text, truth or moment, or needs an escape."""
    columns: list[Sequence[str]] = []
    nulls = 0
    for values in zip(*rows, strict=True):
        texts = _texts(values)
        if texts is None:
            return None
        columns.append(texts)
        nulls += values.count(None)
    text = "\n".join(map("\t".join, zip(*columns, strict=True)))
    # A tab, a line break or a backslash in a value would be one too many.
    cells = len(rows) * len(columns)
    plain = text.count("\t") == cells - len(rows) and text.count("\n") == len(rows) - 1 and "\r" not in text
    return f"{text}\n" if plain and text.count("\\") == nulls else None


def _texts(values: Sequence[Any]) -> Sequence[str] | None:
    kinds = set(map(type, values))
    if kinds == {str}:
        return values
    if kinds <= _PLAIN:
        return [NULL if value is None else value for value in values]
    if kinds <= _TRUTH:
        return [_TEXTS[value] for value in values]
    if kinds <= _MOMENTS:
        return [NULL if value is None else value.isoformat() for value in values]
    return None
