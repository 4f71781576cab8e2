"""Decodes the attributes of entries: a complete pull spends its time here."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from usersyncd.plugin import Value
from usersyncd_ldap import dn as dns
from usersyncd_ldap.fields import LEFT_OUT, Fields
from usersyncd_ldap.forms import EntryForm
from usersyncd_ldap.mapping import TEXT

Entry = dict[str, list[bytes]]
"""Attribute name, in the server's spelling -> values."""

Lot = list[tuple[str, Entry]]
"""Entries that are processed together, each with its DN."""


class AttributeDecoder:
    """Converts the attributes that ``fields`` keep."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._naming = [(name, fields.spelled(name)) for name in ("cn", "uid") if fields[name] != LEFT_OUT]

    def decoded(
        self, dns_: Sequence[str], entries: Sequence[Entry], forms: Sequence[EntryForm]
    ) -> list[dict[str, Value]]:
        """The attributes of each entry, by their names in the rules. Attributes that are not read are removed from the
        entries."""
        for entry, form in zip(entries, forms, strict=True):
            for name in form.left_out:
                del entry[name]
            for name, text_of in form.binary:
                entry[name] = [text_of(entry[name][0]).encode()]
        found = [self._texts(*each) for each in zip(entries, forms, strict=True)]
        for name, spelled in self._naming:
            for dn, attributes in zip(dns_, found, strict=True):
                if type(values := attributes.get(spelled)) is list:
                    # Servers send values in any order (RFC 4511, section 4.1.7), and one of them may be an old name.
                    values.sort(key=lambda one: not dns.is_named(dn, name, one))
        for name, convert in self._fields.converts:
            for attributes in found:
                if name in attributes:
                    attributes[name] = convert(attributes[name])
        for name, source, derive in self._fields.derived:
            for attributes in found:
                value = derive(attributes.get(source))
                if value is not None:
                    attributes[name] = value
        for name, other in self._fields.twice:
            for attributes in found:
                if name in attributes:
                    attributes[other] = attributes[name]
        return found

    def _texts(self, entry: Entry, form: EntryForm) -> dict[str, Value]:
        """The texts of an entry: one value as text, several as a list."""
        try:
            return {
                key: values[0].decode() if len(values) == 1 else [value.decode() for value in values]
                for key, values in zip(form.keys, entry.values(), strict=True)
            }
        except UnicodeDecodeError:
            return self._with_binary(entry)

    def _with_binary(self, entry: Entry) -> dict[str, Value]:
        """Attributes with values that are not UTF-8. Binary values are base64 when a rule names the attribute,
        otherwise left out. Invalid text keeps its bytes (PEP 383); the run replaces or refuses them."""
        found: dict[str, Value] = {}
        for name, values in entry.items():
            key = self._fields[name]
            try:
                texts = [value.decode() for value in values]
            except UnicodeDecodeError:
                if name.lower().partition(";")[0] in TEXT:
                    texts = [value.decode(errors="surrogateescape") for value in values]
                elif not self._fields.named(key):
                    continue
                else:
                    texts = [base64.b64encode(value).decode() for value in values]
            found[key] = texts[0] if len(texts) == 1 else texts
        return found
