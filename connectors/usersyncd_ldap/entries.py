"""From a server's entries to records, handles and members."""

from __future__ import annotations

import base64
import re

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Page, Record, Value
from usersyncd_ldap import dn as dns
from usersyncd_ldap.fields import LEFT_OUT, Fields
from usersyncd_ldap.mapping import KEY, MEMBERS, OPERATIONAL

Entry = dict[str, list[bytes]]
"""Attribute name, as the server spells it, to values."""


ITEMS = 1000
"""Records and sets of members in a page."""

EDGES = 50_000
"""Memberships in a page; one group more than this, at most."""


class EntryReader:
    """Reads the entries of one kind into pages.

    ``reads`` are the attributes that the rules really read, None for all; :attr:`asks` is what to ask the server for.
    """

    def __init__(self, kind: Kind, reads: frozenset[str] | None) -> None:
        self._kind = kind
        self._fields = Fields(kind, reads)
        needed = (KEY, "uid") if kind is Kind.USER else (KEY, *MEMBERS)
        self.asks = ["*", *OPERATIONAL] if reads is None else sorted({*self._fields.names, *needed})
        self._key, self._uid = self._fields.spelled(KEY), self._fields.spelled("uid")
        self._only_asked = [] if reads is None else [name for name in (self._key, self._uid) if name not in reads]
        self._page: list[Record | Members] = []
        self._edges = 0

    def page(self) -> Page:
        """What was read since the last page."""
        page, self._page, self._edges = self._page, [], 0
        return page

    def take(self, dn: str, entry: Entry) -> bool:
        """Read an entry: a record, and for a group its members, which are taken out of ``entry``.

        True: the page is full. Raises SourceError when the entry has no immutable id.
        """
        members = None if self._kind is Kind.USER else _take_members(entry)
        attributes = self._attributes(entry)
        key = attributes.get(self._key)
        if not isinstance(key, str) or not key:
            raise SourceError(
                f"the entry {dn} has no {KEY}: after a rename it could not be told from another one",
                f"let the account that reads see {KEY}, an operational attribute (RFC 4530); "
                "a server that does not have it cannot be read",
            )
        handle = "dn:" + dns.normal(dn)
        uid = attributes.get(self._uid)
        for name in self._only_asked:
            attributes.pop(name, None)
        if members is not None:
            self._page += (Record(Kind.GROUP, key, attributes, (handle,)), Members(key, members, whole=True))
            self._edges += len(members)
        elif isinstance(uid, str):
            self._page.append(Record(Kind.USER, key, attributes, (handle, "uid:" + uid.lower())))
        else:
            uids = uid if isinstance(uid, list) else ()
            self._page.append(Record(Kind.USER, key, attributes, (handle, *("uid:" + one.lower() for one in uids))))
        return len(self._page) >= ITEMS or self._edges >= EDGES

    def _attributes(self, entry: Entry) -> dict[str, Value]:
        fields = self._fields
        try:
            # A pull of 100,000 people spends its time here: nearly every value is text, and the only one.
            found: dict[str, Value] = {
                fields[name]: values[0].decode() if len(values) == 1 else [value.decode() for value in values]
                for name, values in entry.items()
            }
        except UnicodeDecodeError:
            found = self._with_binary(entry)
        found.pop(LEFT_OUT, None)
        for name, convert in fields.converts:
            if name in found:
                found[name] = convert(found[name])
        for name, other in fields.twice:
            if name in found:
                found[other] = found[name]
        return found

    def _with_binary(self, entry: Entry) -> dict[str, Value]:
        """What is no text is given in base64 when a rule names the attribute, and else left out."""
        found: dict[str, Value] = {}
        for name, values in entry.items():
            key = self._fields[name]
            try:
                texts = [value.decode() for value in values]
            except UnicodeDecodeError:
                if not self._fields.named(key):
                    continue
                texts = [base64.b64encode(value).decode() for value in values]
            found[key] = texts[0] if len(texts) == 1 else texts
        return found


_UNIQUE_ID = re.compile(rb"#'[01]*'B$")


def _take_members(entry: Entry) -> frozenset[str]:
    """All members that an entry names, as handles."""
    found: frozenset[str] = frozenset()
    for name in [name for name in entry if name.lower() in _MEMBERS]:
        values = entry.pop(name)
        if name.lower() == "memberuid":
            found |= {"uid:" + uid.decode(errors="backslashreplace").lower() for uid in values if uid}
        else:
            # uniqueMember is a DN with perhaps a bit string behind it (RFC 4517, section 3.3.21).
            plain = name.lower() == "member"
            found |= dns.handles(values if plain else [_UNIQUE_ID.sub(b"", value) for value in values])
    return found


_MEMBERS = frozenset(map(str.lower, MEMBERS))
