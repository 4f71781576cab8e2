"""Reads the body of a request into a resource as the store keeps it.

Plain objects, not the models of scim2-models: a model costs 0.15 ms a user, refuses addresses such as ``a@b`` that
directories have, and drops attributes that it does not declare.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import invalid_syntax, invalid_value
from usersyncd.scim.patch import schemas_of
from usersyncd.scim.schema import ATTRIBUTES, CORE, canonical_urn
from usersyncd.scim.values import check_texts, cleaned_object, definitions

DROPPED: Mapping[Kind, frozenset[str]] = {
    Kind.USER: frozenset({"id", "meta", "groups", "schemas", "password"}),
    Kind.GROUP: frozenset({"id", "meta", "schemas", "members"}),
}
"""What a resource does not keep of a body: what the server says itself, a group's members, which are kept apart, and
the password (Okta sends one even if it is not used)."""
DEEPEST = 30
"""How many objects and lists of a body may stand inside each other. SCIM needs eight in a PATCH."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""The escape of U+0000: an odd number of backslashes begins it."""
_ENTRY_PARTS = ("value", "$ref")


def decoded(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises ScimError ``invalidSyntax``, which does not quote the body."""
    try:
        found = msgspec.json.decode(body)
        body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The message of a decoder may quote the body.
        where = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        raise invalid_syntax(f"the body is not JSON in UTF-8{where}") from None
    if not isinstance(found, dict):
        raise invalid_syntax("the body is not a JSON object")
    refuse_nul(body)
    if _depth(found) > DEEPEST:
        raise invalid_value(f"the body nests more than {DEEPEST} objects and lists", "send attributes that are flatter")
    return found


def refuse_nul(body: bytes) -> None:
    """Raises ScimError ``invalidValue`` if a text in this JSON has the character U+0000."""
    if b"\\u0000" in body and _NUL.search(body):
        raise invalid_value("the body contains the character U+0000, which a database cannot keep")


def _depth(value: Any) -> int:
    """How many objects and lists stand inside each other. Counts no further than is refused."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [part for parts in inside for part in parts if isinstance(part, (dict, list))]
    return depth


def member(body: Mapping[str, Any], name: str) -> Any:
    """The member of an object with this name, compared without case; None if there is none."""
    if name in body:
        return body[name]
    lowered = name.lower()
    return next((value for key, value in body.items() if key.lower() == lowered), None)


def read_resource(kind: Kind, body: Mapping[str, Any]) -> tuple[dict[str, Value], tuple[str, ...] | None]:
    """The resource of a POST or PUT, and the ids of a group's members (None: the body does not say).

    Raises ScimError ``invalidValue``.
    """
    body = _flat(kind, body)
    dropped = DROPPED[kind]
    resource = cleaned_object(ATTRIBUTES[kind], {name: body[name] for name in body if name.lower() not in dropped})
    for key in [key for key in resource if key.lower().startswith("urn:")]:
        _read_extension(kind, resource, key)
    for definition in ATTRIBUTES[kind].values():
        if definition.required and not resource.get(definition.name):
            raise invalid_value(f"{definition.name} is missing", f"every {kind} needs a {definition.name}")
    check_texts(kind, resource)
    sent = member(body, "members") if kind == Kind.GROUP else None
    return {"schemas": schemas_of(kind, resource), **resource}, None if sent is None else tuple(member_ids(sent))


def _flat(kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a body. Some clients write those of the core schema into an object under its URN."""
    flat: dict[str, Any] = {}
    for name, value in body.items():
        if canonical_urn(name) != CORE[kind] or value is None:
            flat[name] = value
        elif isinstance(value, dict):
            flat.update(_flat(kind, value))
        else:
            raise invalid_value(f"{CORE[kind]} is an object of attributes")
    return flat


def _read_extension(kind: Kind, resource: dict[str, Value], key: str) -> None:
    """Give an extension its canonical URN, and its attributes their canonical form."""
    value = resource.pop(key)
    urn = canonical_urn(key)
    known = definitions(kind, urn)
    if not isinstance(value, dict):
        if known:
            raise invalid_value(f"{urn} is an object of attributes")
        resource[key] = value
        return
    found = cleaned_object(known, value)
    if found:
        resource[urn] = found


def member_ids(sent: Any) -> Iterator[str]:
    """The ids in a value of ``members``: objects with ``value`` or ``$ref``, bare texts, or one of these alone.

    Raises ScimError ``invalidValue``.
    """
    for entry in sent if isinstance(sent, list) else [sent]:
        if isinstance(entry, str) and entry:
            yield entry
            continue
        value, reference = (member(entry, part) if isinstance(entry, dict) else None for part in _ENTRY_PARTS)
        found = value or (reference.rstrip("/").rpartition("/")[2] if isinstance(reference, str) else None)
        if not isinstance(found, str) or not found:
            raise invalid_value("a member has no id", 'write {"value": "the id of a resource"}')
        yield found
