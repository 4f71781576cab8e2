"""Cursors of a stream: opaque text that a reader keeps, and that shows when the stream is not the one it was.

A cursor has the number of the last event that the reader got, the epoch of the stream, and a check of that event's id:
a state database that was restored from a backup may have given the number to another event. It is authenticated, so
that what it says about the stream can be believed.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from msgspec import Struct

_MAC = 12
"""Bytes of the authentication code."""
_CHECK = 8


class Position(Struct, frozen=True, array_like=True):
    """A place in a stream: after the event ``number``, whose id has this ``check`` (empty: no event of the epoch)."""

    epoch: str
    number: int
    check: bytes = b""


class ForgedError(Exception):
    """The text is in the form of a cursor, but another stream wrote it, or nobody did."""


def check_of(event_id: str) -> bytes:
    """The check of an event's id; empty for an empty id."""
    return hashlib.sha256(event_id.encode()).digest()[:_CHECK] if event_id else b""


def seal(content: bytes, key: bytes) -> str:
    """Content as opaque text for a URL, authenticated by the key."""
    code = hmac.digest(key, content, "sha256")[:_MAC]
    return urlsafe_b64encode(code + content).rstrip(b"=").decode()


def unseal(text: str, key: bytes) -> bytes:
    """The content of opaque text. Raises ValueError for text in another form, ForgedError if another key sealed it."""
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise ValueError("this is not a cursor") from None
    if len(sealed) <= _MAC:
        raise ValueError("this is not a cursor")
    code, content = sealed[:_MAC], sealed[_MAC:]
    if not hmac.compare_digest(code, hmac.digest(key, content, "sha256")[:_MAC]):
        raise ForgedError
    return content


def write_cursor(position: Position, key: bytes) -> str:
    """A position as a cursor."""
    return seal(msgspec.msgpack.encode(position), key)


def read_cursor(text: str, key: bytes) -> Position:
    """The position of a cursor. Raises as :func:`unseal` does."""
    return msgspec.msgpack.decode(unseal(text, key), type=Position)
