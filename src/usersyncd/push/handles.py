"""The handles of a pushed resource: the index by which providers look resources up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from usersyncd.plugin import Kind
from usersyncd.scim.values import folded

UNIQUE = {Kind.USER: "userName", Kind.GROUP: "displayName"}
"""The attribute that two resources of one kind cannot share."""

_EXACT = "externalId"
_PLAIN = {Kind.USER: ("userName", _EXACT, "displayName"), Kind.GROUP: (_EXACT, "displayName")}
_EMAIL = "emails.value"


def handle(attribute: str, value: str) -> str:
    """The handle of an attribute's value. ``externalId`` is compared exactly, other attributes without case (RFC 7643,
    section 2.2: caseExact)."""
    return f"{attribute}:{value if attribute == _EXACT else folded(value)}"


def handles(kind: Kind, resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The handles of a resource. Values that are not text have none."""
    return tuple(dict.fromkeys(_handles(kind, resource)))


def unique_handle(kind: Kind, resource: Mapping[str, Any]) -> str | None:
    """The handle that two resources of one kind cannot share; None if the resource has no such text."""
    value = resource.get(UNIQUE[kind])
    return handle(UNIQUE[kind], value) if isinstance(value, str) else None


def _handles(kind: Kind, resource: Mapping[str, Any]) -> Iterator[str]:
    for attribute in _PLAIN[kind]:
        if isinstance(value := resource.get(attribute), str):
            yield handle(attribute, value)
    emails = resource.get("emails")
    for email in emails if kind is Kind.USER and isinstance(emails, list) else ():
        if isinstance(email, dict) and isinstance(value := email.get("value"), str):
            yield handle(_EMAIL, value)
