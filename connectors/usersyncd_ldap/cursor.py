"""The cursor: what the next pull needs to know about this one, and when it cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from usersyncd.plugin import Value
from usersyncd_ldap.position import Position

State = dict[str, Value]
"""The state from which a strategy continues."""

FORMAT = 2


class StaleError(Exception):
    """The changes since the cursor cannot be found: everything must be read. The text gives the reason."""


class Cursor(Struct, frozen=True):
    """``scope`` is the :func:`fingerprint` of bases, filters and attributes: a change feed reports only changes within
    them. ``position``: the server that was read and its newest changes; None: not reported."""

    format: int
    strategy: str
    scope: str
    state: State
    position: Position | None = None

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def decoded(text: str, scope: str) -> Cursor:
    """The decoded cursor. Raises StaleError when the text is not a cursor of this connector, or has another scope."""
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError as error:
        raise StaleError("the cursor is not one of this connector's") from error
    if cursor.format != FORMAT:
        raise StaleError("the cursor was made by another version of this connector")
    if cursor.scope != scope:
        raise StaleError("bases, filters or attributes differ from those of the last pull")
    return cursor


def last_position(text: str | None) -> Position | None:
    """The position in a cursor, whatever its scope. None: unknown."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Cursor).position
    except msgspec.MsgspecError:
        return None


def fingerprint(what: Mapping[str, object]) -> str:
    return sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]
