"""The time zone of a target: the configured one, or the machine's."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import tzlocal

from usersyncd.nearest import nearest


def zone(value: Any) -> ZoneInfo:
    """A time zone by its name. Raises ValueError, with a message for the admin."""
    if not isinstance(value, str):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")  # noqa: TRY004 - as pydantic wants it
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        known = available_timezones()
        close = nearest(value, known) if known else ": install the system's package tzdata"
        hint = close if "did you mean" in close or not known else ": write a name such as Europe/Berlin"
        raise ValueError(f"there is no time zone “{value}” on this machine{hint}") from None


def local_zone() -> tzinfo:
    """The machine's time zone, which `daily at 02:00` also uses."""
    return tzlocal.get_localzone()
