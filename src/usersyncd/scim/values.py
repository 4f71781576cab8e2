"""The value of an attribute as a provider sends it, in the form that RFC 7643 gives it.

Names get their canonical spelling, ``"False"`` becomes false where a boolean is expected, one object becomes a list
where a list is expected, and a null, which means "not assigned" (RFC 7643, section 2.5), is left out. Everything else
stays as it was sent.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any
from unicodedata import normalize

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import invalid_value
from usersyncd.scim.schema import ATTRIBUTES, CORE, EXTENSIONS, Definition, Definitions, canonical_urn

_BOOLEANS = {"true": True, "false": False}


def definitions(kind: Kind, urn: str | None) -> Definitions:
    """The attributes of a schema, by name in lower case; none for an extension that we do not know."""
    if urn is None or urn == CORE[kind]:
        return ATTRIBUTES[kind]
    return EXTENSIONS[kind].get(canonical_urn(urn), {})


def cleaned(definition: Definition | None, value: Value) -> Value:
    """The value in its canonical form; None if nothing is assigned. Raises ScimError ``invalidValue``."""
    if value is None:
        return None
    if definition is None:
        return value
    if not definition.many:
        return _single(definition, value)
    entries = [_single(definition, entry) for entry in (value if isinstance(value, list) else [value])]
    return with_one_primary([entry for entry in entries if entry is not None]) or None


def _single(definition: Definition, value: Value) -> Value:
    if definition.type == "complex":
        return _complex(definition, value)
    if isinstance(value, (dict, list)):
        raise invalid_value(
            f"{definition.name} is a {definition.type}, not {'a list' if isinstance(value, list) else 'an object'}"
        )
    if definition.type == "boolean" and not isinstance(value, bool):
        found = _BOOLEANS.get(value.strip().lower()) if isinstance(value, str) else None
        if found is None:
            raise invalid_value(f"{definition.name} is true or false, not {value!r}")
        return found
    return value


def _complex(definition: Definition, value: Value) -> Value:
    """An object of sub-attributes. A plain text is its ``value``: Entra sends ``manager`` like this."""
    if isinstance(value, dict):
        return cleaned_object(definition.parts, value) or None
    if isinstance(value, str) and "value" in definition.parts:
        return {"value": value} if value else None
    raise invalid_value(f"{definition.name} is an object of sub-attributes, not {type(value).__name__}")


def cleaned_object(known: Definitions, value: Mapping[str, Any]) -> dict[str, Value]:
    """An object of attributes, in canonical form. Names that are not known keep their spelling."""
    result: dict[str, Value] = {}
    for name, sent in value.items():
        definition = known.get(name.lower())
        found = cleaned(definition, sent)
        if found is not None:
            result[definition.name if definition else name] = found
    return result


def with_one_primary(entries: list[Value], marked: int | None = None) -> list[Value]:
    """At most one entry of a multi-valued attribute is primary (RFC 7643, section 2.4): the entry with the number
    ``marked``, or the first that says so."""
    primary = {
        number for number, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("primary") is True
    }
    if len(primary) < 2:
        return entries
    kept = min(primary) if marked is None else marked
    return [
        {**entry, "primary": False} if number in primary and number != kept and isinstance(entry, dict) else entry
        for number, entry in enumerate(entries)
    ]


def hashable(value: Value) -> Hashable:
    """A value that can be in a set: equal values give equal ones."""
    if isinstance(value, dict):
        return frozenset((name, hashable(part)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(map(hashable, value))
    return value


def check_texts(kind: Kind, resource: Mapping[str, Value]) -> None:
    """What resources are looked up by is text. Raises ScimError ``invalidValue``."""
    for name in ("userName", "displayName", "externalId"):
        if not isinstance(resource.get(name), (str, type(None))):
            raise invalid_value(f"{name} of a {kind} is a text, not {resource[name]!r}")


def folded(text: str) -> str:
    """The text by which attributes are compared that are not ``caseExact``: lower case in Normalization Form C, as
    scim2-models compares (its ``default_comparison_key``)."""
    return normalize("NFC", normalize("NFC", text).lower())


def spelled(holder: Mapping[str, Value], name: str) -> str:
    """The key under which an object holds the attribute with this name, compared without case; the name itself if the
    object does not hold it."""
    if name in holder:
        return name
    lowered = name.lower()
    return next((key for key in holder if key.lower() == lowered), name)
