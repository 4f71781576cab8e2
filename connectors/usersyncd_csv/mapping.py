"""The meaning of the columns. They have canonical names, so no mapping is needed; some have a required format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from usersyncd.plugin import Kind

MAPPING: Mapping[Kind, Mapping[str, str]] = {Kind.USER: {}, Kind.GROUP: {}}
"""Every canonical attribute has the column of the same name."""

ID = "id"
GROUP_ID, MEMBER_ID, MEMBER_KIND = "group_id", "member_id", "member_kind"

ACTIVE = "active"
TRUTH: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
"""The allowed values of ``active``, in any case."""

VALIDITY = ("validFrom", "validUntil")
"""What ``active`` depends on, where a file has it."""
DATES = (*VALIDITY, "createdAt", "updatedAt")

# The extended format of ISO 8601 only: datetime.fromisoformat also takes week dates and any character for the T.
_ISO_8601 = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?", re.ASCII)


@lru_cache(maxsize=8192)
def is_date(text: str) -> bool:
    """Whether ``text`` is a date or a date and time in ISO 8601: ``2026-03-31``, ``2026-03-31T17:00:00+02:00``."""
    if not _ISO_8601.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
