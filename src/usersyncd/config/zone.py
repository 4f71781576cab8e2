"""Time zones: the one that a target names, or the machine's."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import tzlocal

from usersyncd.nearest import nearest


def zone(value: Any) -> ZoneInfo:
    """A time zone by its name. Raises ValueError in words for the admin."""
    if not isinstance(value, str):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")  # noqa: TRY004 - as pydantic wants it
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        close = nearest(value, known) if known else ": install the system's package tzdata"
        hint = close if "did you mean" in close or not known else ": write a name such as Europe/Berlin"
        raise ValueError(f"this machine knows no time zone “{value}”{hint}") from None


def local_zone() -> tzinfo:
    """The machine's time zone, as `daily at 02:00` counts."""
    return tzlocal.get_localzone()
