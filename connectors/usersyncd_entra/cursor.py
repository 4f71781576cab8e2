"""What an incremental pull needs to know of the pull before."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class Cursor(Struct, frozen=True):
    """Both delta links. They hold what was selected when their rounds began: other rules need other rounds."""

    users: str
    groups: str
    select: str

    def write(self) -> str:
        return msgspec.json.encode(self).decode()


def read_cursor(text: str | None, select: str) -> Cursor | None:
    """The cursor, where it can be used: None when there is none, or one of another version, or other properties are
    needed now."""
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError:
        return None
    return cursor if cursor.select == select else None
