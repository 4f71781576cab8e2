"""Durations as options write them: ``15m``, ``1h30m``, ``30d``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

DURATION = r"^([0-9]{1,6}w)?([0-9]{1,6}d)?([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"

_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_LONGEST = timedelta(days=36500)


def duration(value: Any) -> timedelta:
    """A duration of one second to a hundred years. Raises ValueError."""
    match = re.fullmatch(DURATION, value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError("must be a duration such as 30s, 15m, 2h, 30d, 1w or 1h30m")
    parts = {unit: int(part[:-1]) for unit, part in zip(_UNITS, match.groups(), strict=True) if part}
    found = timedelta(**parts)
    if not timedelta(seconds=1) <= found <= _LONGEST:
        raise ValueError("must be a duration of at least 1s and at most 100 years")
    return found


Duration = Annotated[
    timedelta,
    PlainValidator(duration),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float),
    WithJsonSchema({"type": "string", "pattern": DURATION, "minLength": 2}),
]
"""An option that is a duration."""
