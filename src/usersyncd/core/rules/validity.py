"""Decides whether a user is active, by ``active``, ``validFrom`` and ``validUntil``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from msgspec import Struct

from usersyncd.core.rules.moments import beginning, earliest, end
from usersyncd.core.rules.paths import Attribute, Raw, UnfitError, as_active, as_text


class Validity(Struct, frozen=True):
    """How to read whether a user is active at a moment. Both methods raise UnfitError."""

    active: Attribute
    valid_from: Attribute
    valid_until: Attribute
    zone: tzinfo

    def is_active(self, raw: Raw, moment: datetime) -> bool:
        """Whether the user is active at a moment."""
        if not as_active(raw.get(self.active.native), self.active.source):
            return False
        if not (raw.get(self.valid_from.native) or raw.get(self.valid_until.native)):
            return True
        start, end_ = self._limits(raw)
        return (start is None or start <= moment) and (end_ is None or moment < end_)

    def change(self, raw: Raw, moment: datetime) -> datetime | None:
        """When :meth:`is_active` changes next because time passes; None: never."""
        if not (raw.get(self.valid_from.native) or raw.get(self.valid_until.native)):
            return None
        if not as_active(raw.get(self.active.native), self.active.source):
            return None
        return earliest(limit for limit in self._limits(raw) if limit is not None and limit > moment)

    def _limits(self, raw: Raw) -> tuple[datetime | None, datetime | None]:
        start, end_ = raw.get(self.valid_from.native), raw.get(self.valid_until.native)
        return self._limit(start, self.valid_from, beginning), self._limit(end_, self.valid_until, end)

    def _limit(self, value: Any, attribute: Attribute, read: Callable[[str, tzinfo], datetime]) -> datetime | None:
        text = as_text(value, attribute.source)
        try:
            return None if text is None else read(text, self.zone)
        except ValueError:
            example = "2026-03-31 or 2026-03-31T17:00:00Z"
            raise UnfitError(
                f"{attribute.source} is not a date such as {example}: map {attribute.name} with an expression over raw"
            ) from None
