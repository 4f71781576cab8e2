"""What connectors read of a server's answer in the same way."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

YEARS = range(2000, 2200)
"""A clock that shows another year does not know the time."""


def http_date(text: str) -> datetime | None:
    """A date of HTTP, such as the header ``Date`` (RFC 9110, section 5.6.7), in UTC; None when it is none, or none that
    can be."""
    try:
        date = parsedate_to_datetime(text)
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return date if date.year in YEARS else None
