"""Users and groups, and what an attribute may hold."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Value = str | int | float | bool | None | list[Any] | dict[str, Any]
"""What an attribute may hold: what JSON can say. Dates are ISO 8601 text; bytes are for the connector to encode."""


class Kind(StrEnum):
    """The two kinds of record."""

    USER = "user"
    GROUP = "group"


CANONICAL: Mapping[Kind, tuple[str, ...]] = {
    Kind.USER: (
        "id", "userName", "email", "givenName", "familyName", "displayName", "active", "userType", "title",
        "department", "division", "costCenter", "organization", "employeeNumber", "manager", "preferredLanguage",
        "locale", "timezone", "phone", "mobile", "validFrom", "validUntil", "createdAt", "updatedAt",
    ),
    Kind.GROUP: ("id", "displayName", "description", "email"),
}  # fmt: skip
"""The canonical attributes, named as in SCIM core and its enterprise extension (RFC 7643, sections 4.1 to 4.3),
flat."""
