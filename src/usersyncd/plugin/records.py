"""The kinds of record, their canonical attributes, and the type of an attribute's value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Value = str | int | float | bool | None | list[Any] | dict[str, Any]
"""The value of an attribute: anything that JSON can represent. Dates are ISO 8601 text; a connector encodes bytes
itself."""


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
