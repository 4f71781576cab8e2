"""Items that a scripted source yields, in short."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from usersyncd.plugin import Done, Kind, Record

NOON = datetime(2026, 3, 1, 12).astimezone()
WHOLE = Done("1", complete=True)
PART = Done("2", complete=False)


def user(id_: str, **attributes: Any) -> Record:
    return Record(Kind.USER, id_, attributes)


def group(id_: str) -> Record:
    return Record(Kind.GROUP, id_, {"displayName": id_})
