"""The cursor: what the next pull needs to know about this one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from usersyncd.plugin import Kind
from usersyncd_google.groups import short_digest
from usersyncd_google.options import GoogleOptions

FORMAT = 1
"""Incremented when the same directory would give other items or another cursor."""

BUCKETS = 512
"""The number of buckets in which users are counted."""

TRUSTED = timedelta(days=7)
"""Maximum age of the last pull. After an older one, the pull reads everything."""


class Cursor(Struct):
    """``extent`` is a digest of the options and attributes of the pull; ``at`` Google's own time when the pull began;
    ``users`` the number of listed users, by buckets of ids (:class:`usersyncd_google.completeness.ListedIds`)."""

    format: int
    extent: str
    customer: str
    at: datetime
    users: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    groups: dict[str, str] = {}
    """The digest of each group's row."""
    everybody: list[str] = []
    """Groups with all users as members: their members change with the users."""
    doubtful: list[str] = []
    """Groups whose number of members differed from Google's count: read again by the next pull."""
    seen: list[str] = []
    """Digests of the activities that the next pull skips."""

    @property
    def again(self) -> frozenset[str]:
        """Groups whose members the next pull reads even if their rows did not change."""
        return frozenset([*self.everybody, *self.doubtful])

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def extent(options: GoogleOptions, reads: Mapping[Kind, frozenset[str] | None]) -> str:
    """A digest of the options and attributes that determine a pull's items. The location of the key does not."""
    names = {kind: None if named is None else sorted(named) for kind, named in reads.items()}
    parts = [options.endpoint, options.subject, options.customer, options.domains, options.org_units, names]
    return short_digest(msgspec.json.encode(parts).decode())


def last_cursor(text: str | None, extent: str) -> Cursor | None:
    """The last pull's cursor, if it had the same format and ``extent``; None: there is none."""
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError:
        return None
    return cursor if (cursor.format, cursor.extent) == (FORMAT, extent) else None


def usable_cursor(text: str | None, following: Cursor) -> Cursor | None:
    """The last pull's cursor, if the pull with the cursor ``following`` may continue from it; None: read everything."""
    cursor = last_cursor(text, following.extent)
    if cursor is None or cursor.customer != following.customer or len(cursor.users) != BUCKETS:
        return None
    return cursor if timedelta(0) <= following.at - cursor.at <= TRUSTED else None
