"""What answers contain: resources with their addresses, lists, errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from usersyncd.plugin import Kind
from usersyncd.scim.errors import ScimError
from usersyncd.scim.store import StoredMember, StoredResource

ENDPOINTS = {Kind.USER: "Users", Kind.GROUP: "Groups"}
TYPES = {Kind.USER: "User", Kind.GROUP: "Group"}
"""The resource types (RFC 7643, section 6)."""
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


def location(base: str, kind: Kind, resource_id: str) -> str:
    """The URL of a resource; ``base`` is the URL of the directory's SCIM service, without a slash at its end."""
    return f"{base}/{ENDPOINTS[kind]}/{quote(resource_id, safe='')}"


def entity_tag(version: str) -> str:
    return f'W/"{version}"'


def rendered(stored: StoredResource, base: str) -> dict[str, Any]:
    """The whole resource, as RFC 7643 writes it."""
    resource: dict[str, Any] = {**dict.fromkeys(("schemas", "id")), **stored.resource}
    resource["id"] = stored.id
    sent = stored.resource.get("meta")
    resource["meta"] = {
        "resourceType": TYPES[stored.kind],
        **(sent if isinstance(sent, dict) else {}),
        "location": location(base, stored.kind, stored.id),
        "version": entity_tag(stored.version),
    }
    if stored.members:
        resource["members"] = [_reference(member, base, "type", TYPES[member.kind]) for member in stored.members]
    if stored.groups:
        resource["groups"] = [_reference(group, base, "type", "direct") for group in stored.groups]
    return resource


def _reference(member: StoredMember, base: str, key: str, value: str) -> dict[str, str]:
    reference = {"value": member.value, "$ref": location(base, member.kind, member.value), key: value}
    return {**reference, "display": member.display} if member.display else reference


def list_of(
    resources: Iterable[dict[str, Any]],
    *,
    total: int | None,
    start: int | None = None,
    next_cursor: str | None = None,
) -> dict[str, Any]:
    """A ListResponse (RFC 7644, section 3.4.2; RFC 9865, section 2). ``start`` None: paged by cursor."""
    found = list(resources)
    answer: dict[str, Any] = {"schemas": [LIST]}
    if total is not None:
        answer["totalResults"] = total
    answer["itemsPerPage"] = len(found)
    if start is not None:
        answer["startIndex"] = start
    if next_cursor is not None:
        answer["nextCursor"] = next_cursor
    return {**answer, "Resources": found}


def error_of(error: ScimError) -> dict[str, Any]:
    """An Error (RFC 7644, section 3.12): ``status`` is text."""
    detail = f"{error.message}: {error.remedy}" if error.remedy else error.message
    detail = detail.encode(errors="backslashreplace").decode()  # It may quote half a character of a filter.
    answer = {"schemas": [ERROR], "status": str(error.status), "detail": detail}
    return {**answer, "scimType": error.scim_type} if error.scim_type else answer
