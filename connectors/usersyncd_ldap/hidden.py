"""Finds hidden attributes: an attribute that an entry must have, and that is absent, is hidden and not empty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ldap.schema.models import ObjectClass

from usersyncd_ldap import dn as dns
from usersyncd_ldap.forms import EntryForm

RequiredAttributes = Mapping[str, frozenset[str]]
"""Object class -> the required attributes of its entries. All names are in lower case."""

NOTHING: RequiredAttributes = {}
"""For a server whose schema is not read."""


def required_attributes(definitions: Iterable[bytes]) -> RequiredAttributes:
    """The required attributes of a schema's object classes (RFC 4512, section 4.1.1)."""
    classes = [ObjectClass(text.decode(errors="replace")) for text in definitions]
    named = {name.lower(): each for each in classes for name in (*each.names, each.oid)}
    return {name: _demanded(name, named) for name in named}


def _demanded(name: str, classes: Mapping[str, ObjectClass], below: frozenset[str] = frozenset()) -> frozenset[str]:
    """The required attributes of a class and its superior classes; ``below``: the classes already visited."""
    found = classes.get(name.lower())
    if found is None or name.lower() in below:
        return frozenset()
    own = frozenset(map(str.lower, found.must))
    return own.union(*(_demanded(each, classes, below | {name.lower()}) for each in found.sup))


class HiddenAttributes:
    """Finds the hidden attributes of entries of one kind.

    ``always``: attributes that every entry has. ``named``: attributes that an entry has if they are in its own DN.
    ``demanded``: attributes that an entry has if ``musts`` requires them for one of its classes, unless ``is_shown``
    says that the account cannot read them of any entry.
    """

    def __init__(
        self,
        always: Sequence[str],
        named: Iterable[str],
        demanded: Sequence[str],
        required_attributes: RequiredAttributes,
        is_shown: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._always = always
        self._named = frozenset(map(str.lower, named))
        self._demanded = demanded
        self._required = required_attributes
        self._is_shown = is_shown
        self._by_classes: dict[tuple[bytes, ...], list[str]] = {}

    def of_all(
        self, dns_: Sequence[str], entries: Sequence[Mapping[str, Sequence[bytes]]], forms: Sequence[EntryForm]
    ) -> list[str | None]:
        """A hidden attribute of each entry. It depends on the form, on the attributes in the DN and on the object
        classes, so few entries have to be examined."""
        several = "+" in "".join(dns_)  # attributes in the first part of a DN
        cases = [
            (
                tuple(dns.own_attributes(dn)) if several else dn.partition("=")[0],
                *(entry[form.classes] if form.classes else ()),
            )
            for dn, entry, form in zip(dns_, entries, forms, strict=True)
        ]
        try:
            return [form.hidden[case] for form, case in zip(forms, cases, strict=True)]
        except KeyError:
            for dn, entry, form, case in zip(dns_, entries, forms, cases, strict=True):
                if case not in form.hidden:
                    form.hidden[case] = self.hidden(dn, entry)
        return [form.hidden[case] for form, case in zip(forms, cases, strict=True)]

    def hidden(self, dn: str, entry: Mapping[str, Sequence[bytes]]) -> str | None:
        """A hidden attribute of the entry; None: no attribute is hidden."""
        own = (name for name in dns.own_attributes(dn) if name in self._named)
        for name in (*self._always, *own):
            if not _shows(entry, name):
                return name
        of_classes = (name for name in self._of_classes(entry) if not _shows(entry, name))
        return next((name for name in of_classes if self._is_shown(name)), None)

    def _of_classes(self, entry: Mapping[str, Sequence[bytes]]) -> Sequence[str]:
        if not self._demanded or not self._required:
            return ()
        classes = tuple(_values(entry, "objectClass"))
        if classes not in self._by_classes:
            all_of_them = frozenset[str]().union(*(self._required.get(each.decode().lower(), ()) for each in classes))
            self._by_classes[classes] = [name for name in self._demanded if name.lower() in all_of_them]
        return self._by_classes[classes]


def _values(entry: Mapping[str, Sequence[bytes]], name: str) -> Sequence[bytes]:
    if name in entry:
        return entry[name]
    return next((values for key, values in entry.items() if key.lower() == name.lower()), ())


def _shows(entry: Mapping[str, Sequence[bytes]], name: str) -> bool:
    """Whether an attribute is present, also with options (``cn;lang-de``)."""
    return name in entry or any(key.lower().partition(";")[0] == name.lower() for key in entry)
