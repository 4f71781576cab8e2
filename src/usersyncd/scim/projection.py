"""``attributes`` and ``excludedAttributes``: which part of a resource an answer contains (RFC 7644, section 3.9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from scim2_models import Path
from scim2_models.exceptions import SCIMException

from usersyncd.plugin import Kind
from usersyncd.scim.schema import CORE, EXTENSIONS, canonical_urn

Names = Mapping[str, Any]
"""Attribute names in lower case; the value is None for the whole attribute, or the names of its sub-attributes."""
_ALWAYS = ("schemas", "id")
"""What every answer contains."""


class Projection(Struct, frozen=True):
    """``wanted`` None: all attributes. ``unwanted`` are left out."""

    wanted: Names | None = None
    unwanted: Names = {}

    def shows(self, name: str) -> bool:
        """Whether an answer contains this attribute of the core schema, or a part of it."""
        lowered = name.lower()
        if self.wanted is not None and lowered not in self.wanted:
            return False
        return lowered not in self.unwanted or self.unwanted[lowered] is not None

    def of(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The part of a resource to answer with."""
        if self.wanted is not None:
            always = {name: resource[name] for name in _ALWAYS if name in resource}
            resource = {**always, **_kept(self.wanted, resource)}
        if self.unwanted:
            resource = _dropped({**self.unwanted}, resource)
        return resource


EVERYTHING = Projection()


def projection(kind: Kind, wanted: Iterable[str], unwanted: Iterable[str]) -> Projection:
    """The projection of two lists of attribute names. No wanted name means all attributes."""
    named = _names(kind, wanted)
    left_out = {name: parts for name, parts in _names(kind, unwanted).items() if name not in _ALWAYS}
    return Projection(named or None, left_out)


def _names(kind: Kind, texts: Iterable[str]) -> dict[str, Any]:
    """Names that cannot be read are ignored: they name nothing that a resource has."""
    tree: dict[str, Any] = {}
    for text in texts:
        try:
            if keys := _keys(kind, text.strip()):
                _insert(tree, keys)
        except (SCIMException, ValueError):
            continue
    return tree


def _keys(kind: Kind, text: str) -> tuple[str, ...]:
    """``urn:…:User:manager.value`` → (the extension's URN, ``manager``, ``value``), in lower case."""
    urn = canonical_urn(text)
    if urn in EXTENSIONS[kind]:
        return (urn.lower(),)
    path: Path[Any] = Path(text)
    schema = path.schema
    names = tuple(part.lower() for part in path.parts)
    return names if schema is None or canonical_urn(schema) == CORE[kind] else (schema.lower(), *names)


def _insert(tree: dict[str, Any], keys: tuple[str, ...]) -> None:
    first, *rest = keys
    if not rest:
        tree[first] = None
    elif first not in tree:
        _insert(tree.setdefault(first, {}), tuple(rest))
    elif tree[first] is not None:
        _insert(tree[first], tuple(rest))


def _kept(names: Names, value: Any) -> Any:
    if isinstance(value, list):
        return [_kept(names, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {key: (key.lower(), part) for key, part in value.items() if key.lower() in names}
    return {key: part if names[name] is None else _kept(names[name], part) for key, (name, part) in found.items()}


def _dropped(names: Names, value: Any) -> Any:
    if isinstance(value, list):
        return [_dropped(names, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _dropped(names[key.lower()], part) if key.lower() in names else part
        for key, part in value.items()
        if key.lower() not in names or names[key.lower()] is not None
    }
