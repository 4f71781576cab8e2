"""The properties to request, and the conversion of Graph's objects to attributes."""

from __future__ import annotations

from collections.abc import Sequence

from usersyncd.plugin import Kind, Value
from usersyncd_entra.forms import FORMS, REQUIRED
from usersyncd_entra.mapping import BORN, EVERYTHING, EXTENSIONS, NOT_GRAPHS, USER_TYPE, VISIBILITY
from usersyncd_entra.objects import Object

_MANAGER, _MANAGER_DELTA = "manager", "manager@delta"
_PHONE, _PHONES = "businessPhone", "businessPhones"
_TYPE, _USER_TYPE = "@odata.type", "userType"
_ON_PREMISES = "onPremisesExtensionAttributes"


class Fields:
    """The properties of one kind. ``reads``: the attributes that the rules read; None: all that every tenant has."""

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
        self._user_type = kind is Kind.USER and _USER_TYPE in self.reads
        self._extra = (_TYPE, *(asked - self.reads))
        self._phone = _PHONE in self.reads
        self._forms = [(name, form, name in REQUIRED & asked) for name, form in FORMS.items()]

    @property
    def select(self) -> str:
        """The value of $select, without relationships."""
        return ",".join(name for name in self.asked if name != _MANAGER)

    def malformed(self, found: Object, *, whole: bool) -> str | None:
        """The first property without the form that :meth:`attributes` expects. ``whole``: the object has all
        properties."""
        for name, form, required in self._forms:
            if name in found:
                if not form(found[name]):
                    return name
            elif whole and required:
                return name
        return None

    def attributes(self, found: Object) -> dict[str, Value]:
        """The attributes of an object, which is modified in place: its ``id`` is already removed, and no property is
        :meth:`malformed`. None means that the property has no value. ``userType`` of an object with a type derived from
        user is that type, which Graph names only in ``@odata.type`` (OData JSON Format 4.01, section 4.6.3)."""
        if (ends := found.pop(_MANAGER_DELTA, None)) is not None:
            # Usually there is one, and a pull of 100,000 users spends its time here.
            one = len(ends) == 1 and "@removed" not in ends[0]
            found[_MANAGER] = ends[0]["id"] if one else _last(ends)
        if self._phone and _PHONES in found:
            phones = found[_PHONES]
            found[_PHONE] = phones[0] if phones else None
        if self.extensions and _ON_PREMISES in found:
            values = found[_ON_PREMISES] or {}
            for name in self.extensions:
                found[name] = values.get(name)
        if self._user_type and (type_ := found.get(_TYPE, USER_TYPE)) != USER_TYPE:
            found[_USER_TYPE] = type_.rpartition(".")[2]
        for name in self._extra:
            found.pop(name, None)
        return found


def _last(ends: Sequence[Object]) -> Value:
    """The id of the last end of a relationship that is not removed."""
    found: str | None = next((end["id"] for end in reversed(ends) if "@removed" not in end), None)
    return found


def present(attributes: dict[str, Value]) -> dict[str, Value]:
    """The attributes that have a value."""
    if None in attributes.values():
        return {name: value for name, value in attributes.items() if value is not None}
    return attributes
