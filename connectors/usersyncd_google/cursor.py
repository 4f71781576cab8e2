"""What the next pull needs to know of this one, as opaque text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from usersyncd.plugin import Kind
from usersyncd_google.groups import short_digest
from usersyncd_google.options import GoogleOptions

FORMAT = 1
"""Changed with everything that changes what a pull says of the same directory."""

BUCKETS = 512
"""Into how many buckets users are counted."""

TRUSTED = timedelta(days=7)
"""How long ago the last pull may be. Older: read everything, whatever the logs still hold."""


class Cursor(Struct):
    """``extent`` is a digest of what is read and how; ``at`` Google's own time when the pull began; ``users`` counts
    who was listed, by buckets of ids (:class:`usersyncd_google.twice.Ids`)."""

    format: int
    extent: str
    customer: str
    at: datetime
    users: list[int] = msgspec.field(default_factory=lambda: [0] * BUCKETS)
    groups: dict[str, str] = {}
    """The digest of each group's row."""
    everybody: list[str] = []
    """Groups with everybody in them: their members change with the users."""
    doubtful: list[str] = []
    """Groups whose members were not as many as Google counted: to be read once more."""
    seen: list[str] = []
    """Digests of the activities that need no second look."""

    @property
    def again(self) -> frozenset[str]:
        """Groups whose members the next pull reads, whatever their rows say."""
        return frozenset([*self.everybody, *self.doubtful])

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def extent(options: GoogleOptions, reads: Mapping[Kind, frozenset[str] | None]) -> str:
    """A digest of the options and attributes that decide what a pull says. Where the key lies does not."""
    names = {kind: None if named is None else sorted(named) for kind, named in reads.items()}
    parts = [options.endpoint, options.subject, options.customer, options.domains, options.org_units, names]
    return short_digest(msgspec.json.encode(parts).decode())


def trusted(text: str | None, following: Cursor) -> Cursor | None:
    """The last pull's cursor, when the pull that leaves ``following`` may build on it; None: read everything."""
    if text is None:
        return None
    try:
        cursor = msgspec.json.decode(text, type=Cursor)
    except msgspec.MsgspecError:
        return None
    same = (cursor.format, cursor.extent, cursor.customer) == (following.format, following.extent, following.customer)
    same = same and len(cursor.users) == BUCKETS
    return cursor if same and timedelta(0) <= following.at - cursor.at <= TRUSTED else None
