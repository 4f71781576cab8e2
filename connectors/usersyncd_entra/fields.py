"""Which properties are asked for, and how an object of Graph becomes attributes."""

from __future__ import annotations

from typing import Any

from usersyncd.plugin import Kind, Value
from usersyncd_entra.mapping import BORN, EVERYTHING, EXTENSIONS, NOT_GRAPHS, VISIBILITY

_MANAGER, _MANAGER_DELTA = "manager", "manager@delta"
_PHONE, _PHONES = "businessPhone", "businessPhones"
_ON_PREMISES = "onPremisesExtensionAttributes"

Object = dict[str, Any]
"""What Graph says of a user or group, decoded."""


class Fields:
    """The properties of one kind. ``reads``: what the rules read, None for everything that any tenant has."""

    def __init__(self, kind: Kind, reads: frozenset[str] | None) -> None:
        self.reads = EVERYTHING[kind] if reads is None else reads - NOT_GRAPHS[kind] - {"id"}
        asked = {BORN, *(self.reads - {_PHONE, *EXTENSIONS})}
        self.extensions = [name for name in EXTENSIONS if name in self.reads]
        if _PHONE in self.reads:
            asked.add(_PHONES)
        if self.extensions:
            asked.add(_ON_PREMISES)
        if kind is Kind.GROUP:
            asked |= {VISIBILITY}
        self.manager = kind is Kind.USER and _MANAGER in self.reads
        self.asked = sorted(asked)
        self._extra = asked - self.reads

    @property
    def select(self) -> str:
        """The value of $select, relationships left out."""
        return ",".join(name for name in self.asked if name != _MANAGER)

    def attributes(self, found: Object) -> dict[str, Value]:
        """The attributes of an object, which is taken apart for it: its ``id`` and annotations are gone already.
        None means that the object says that there is no value."""
        if _MANAGER_DELTA in found:
            ends = [end["id"] for end in found.pop(_MANAGER_DELTA) if "@removed" not in end]
            found[_MANAGER] = ends[-1] if ends else None
        if _PHONES in found and _PHONE in self.reads:
            phones = found[_PHONES]
            found[_PHONE] = phones[0] if phones else None
        if self.extensions and _ON_PREMISES in found:
            values = found[_ON_PREMISES] or {}
            for name in self.extensions:
                found[name] = values.get(name)
        for name in self._extra:
            found.pop(name, None)
        return found


def present(attributes: dict[str, Value]) -> dict[str, Value]:
    """Without those that have no value."""
    if None in attributes.values():
        return {name: value for name, value in attributes.items() if value is not None}
    return attributes
