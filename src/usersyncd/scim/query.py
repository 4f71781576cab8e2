"""What a listing asks for: a query string, or the body of ``POST …/.search`` (RFC 7644, sections 3.4.2 and 3.4.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from scim2_models import Path
from scim2_models.exceptions import SCIMException
from scim2_models.path import FilterNode

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError, invalid_filter, invalid_path, invalid_value
from usersyncd.scim.filter import parsed
from usersyncd.scim.projection import Projection, projection
from usersyncd.scim.reading import member
from usersyncd.scim.schema import CORE, canonical_urn
from usersyncd.scim.values import definitions, folded, spelled

PAGE = 100
"""The number of resources on a page, if ``count`` does not say."""
LONGEST_PAGE = 1_000
"""The largest number of resources on a page."""

LONGEST_FILTER = 4_000
"""The most characters of a filter."""

SortKey = Callable[[Mapping[str, Any]], tuple[bool, int, Any]]
"""Orders resources; one without a value comes last (RFC 7644, section 3.4.2.3)."""


class ListQuery(Struct, frozen=True):
    """What is asked for of one kind of resource.

    ``start`` counts from 1. ``cursor`` is not None if pages follow each other by cursor; it is empty for the first.

    ``meaning`` is the text of what a cursor continues.
    """

    kind: Kind
    projection: Projection
    filter: FilterNode | None
    sort: SortKey | None
    descending: bool
    start: int
    count: int
    cursor: str | None
    meaning: str


def read_query(kind: Kind, sent: Mapping[str, Any]) -> ListQuery:
    """Parameters that we do not know (Entra's ``aadOptscim062020``) are ignored.

    Raises ScimError ``invalidFilter``, ``invalidPath``, ``invalidValue``, ``invalidCount``.
    """
    text, sort_by = member(sent, "filter"), member(sent, "sortBy")
    descending = str(member(sent, "sortOrder") or "").lower() == "descending"
    cursor = member(sent, "cursor")
    return ListQuery(
        kind=kind,
        projection=read_projection(kind, sent),
        filter=parsed(_filter(text)) if text else None,
        sort=sort_key(kind, _text("sortBy", sort_by)) if sort_by else None,
        descending=descending,
        start=max(1, _number(sent, "startIndex", 1)),
        count=min(LONGEST_PAGE, max(0, _count(sent, by_cursor=cursor is not None))),
        cursor=None if cursor is None else _text("cursor", cursor),
        meaning="\n".join((kind, str(text or ""), str(sort_by or ""), str(descending))),
    )


def read_projection(kind: Kind, sent: Mapping[str, Any]) -> Projection:
    return projection(kind, _names(member(sent, "attributes")), _names(member(sent, "excludedAttributes")))


def _names(sent: Any) -> list[str]:
    """A query string has commas, a body has a list."""
    if isinstance(sent, str):
        return [name for name in sent.split(",") if name.strip()]
    return [name for name in sent if isinstance(name, str)] if isinstance(sent, list) else []


def _filter(value: Any) -> str:
    """The text of a filter. Providers send some words; thousands of terms would occupy the service."""
    text = _text("filter", value)
    if len(text) > LONGEST_FILTER:
        raise invalid_filter(f"the filter has more than {LONGEST_FILTER:,} characters", "ask for less at a time")
    return text


def _text(name: str, sent: Any) -> str:
    if not isinstance(sent, str):
        raise invalid_value(f"{name} is not text")
    return sent


def _number(sent: Mapping[str, Any], name: str, default: int) -> int:
    given = member(sent, name)
    if given in (None, ""):
        return default
    try:
        return int(given)
    except (TypeError, ValueError):
        raise invalid_value(f"{name} is a whole number, not {given!r}") from None


def _count(sent: Mapping[str, Any], *, by_cursor: bool) -> int:
    try:
        return _number(sent, "count", PAGE)
    except ScimError as error:
        if by_cursor:  # RFC 9865, section 2.
            raise ScimError(400, error.message, scim_type="invalidCount") from None
        raise


def sort_key(kind: Kind, text: str) -> SortKey:
    """How resources are ordered by an attribute. Of several values, the primary one counts, or the first.

    Raises ScimError ``invalidPath``.
    """
    try:
        path: Path[Any] = Path(text)
        parts, where, schema = path.parts, path.value_filter, path.schema
    except (SCIMException, ValueError):
        raise invalid_path(f"sortBy {text!r} cannot be read") from None
    if where is not None or not parts:
        raise invalid_path(f"sortBy {text!r} names no attribute", "name one")
    urn = None if schema is None or canonical_urn(schema) == CORE[kind] else canonical_urn(schema)
    definition = definitions(kind, urn).get(parts[0].lower())
    name = definition.name if definition else parts[0]
    if name.lower() == "password":
        raise invalid_path("resources cannot be sorted by password")
    sub = parts[1] if len(parts) == 2 else None
    if definition and definition.type == "complex" and sub is None:
        if "value" not in definition.parts:
            raise invalid_path(f"{name} has sub-attributes", "name the one to sort by")
        sub = "value"
    compared = definition.parts.get(sub.lower()) if definition and sub else definition
    exact = compared is not None and compared.case_exact

    def key(resource: Mapping[str, Any]) -> tuple[bool, int, Any]:
        holder = resource if urn is None else resource.get(spelled(resource, urn))
        value = holder.get(spelled(holder, name)) if isinstance(holder, Mapping) else None
        if isinstance(value, list):
            value = next((each for each in value if isinstance(each, dict) and each.get("primary")), value[0])
        if sub is not None:
            value = value.get(spelled(value, sub)) if isinstance(value, dict) else None
        return _ordered(value if exact or not isinstance(value, str) else folded(value))

    return key


def _ordered(value: Any) -> tuple[bool, int, Any]:
    """So that numbers and texts of an attribute that the schema does not know can be ordered."""
    if isinstance(value, str):
        return False, 1, value
    if isinstance(value, (bool, int, float)):
        return False, 0, value
    return True, 0, 0
