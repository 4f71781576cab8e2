"""Parsing of server responses that several connectors share."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

YEARS = range(2000, 2200)
"""Years that a server's clock may plausibly show; any other date is ignored."""


def http_date(text: str) -> datetime | None:
    """Parse an HTTP date, such as the header ``Date`` (RFC 9110, section 5.6.7), to UTC; None when it is not a date or
    its year is not in :data:`YEARS`."""
    try:
        date = parsedate_to_datetime(text)
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return date if date.year in YEARS else None
