"""The cursor: what an incremental pull needs to know about the last pull."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Cursor(Struct, frozen=True):
    """Both delta links, and the selected properties. A delta link keeps its selection: other properties need a new
    round."""

    users: str
    groups: str
    select: str

    def write(self) -> str:
        return msgspec.json.encode(self).decode()


def read_cursor(text: str | None, select: str) -> Cursor | None:
    """The decoded cursor; None when it is missing, has another version, or was made with other properties."""
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError:
        return None
    return cursor if cursor.select == select else None
