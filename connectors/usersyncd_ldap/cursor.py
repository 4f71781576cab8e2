"""What is remembered between two pulls, and when it is not to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec
from msgspec import Struct

from usersyncd.plugin import Value
from usersyncd_ldap.position import Position

State = dict[str, Value]
"""What one strategy needs to go on from where it was."""

FORMAT = 2


class StaleError(Exception):
    """The server cannot tell what changed since then: everything must be read. The text says why."""


class Cursor(Struct, frozen=True):
    """``scope`` is the :func:`fingerprint` of what was read: a change feed tells only of what changed within it.
    ``position``: which server was read, and how far it was; None: it does not tell."""

    format: int
    strategy: str
    scope: str
    state: State
    position: Position | None = None

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def decoded(text: str, scope: str) -> Cursor:
    """Raises StaleError when the cursor is not one of ours, or was made for another scope."""
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError as error:
        raise StaleError("the cursor is not one of this connector's") from error
    if cursor.format != FORMAT:
        raise StaleError("the cursor was made by another version of this connector")
    if cursor.scope != scope:
        raise StaleError("bases, filters or attributes are not those of the last pull")
    return cursor


def remembered(text: str | None) -> Position | None:
    """How far the directory was read, whatever was read of it. None: nobody knows."""
    try:
        return None if text is None else msgspec.json.decode(text, type=Cursor).position
    except msgspec.MsgspecError:
        return None


def fingerprint(what: Mapping[str, object]) -> str:
    return sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()[:16]
