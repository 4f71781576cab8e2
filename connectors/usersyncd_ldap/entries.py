"""Converts a server's entries to records, handles and members."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Page, Record, Unread, Value
from usersyncd_ldap import ad
from usersyncd_ldap import dn as dns
from usersyncd_ldap.fields import LEFT_OUT, Fields
from usersyncd_ldap.hidden import NOTHING, HiddenAttributes, RequiredAttributes
from usersyncd_ldap.mapping import TEXT, Schema

Entry = dict[str, list[bytes]]
"""Attribute name, in the server's spelling -> values."""


ITEMS = 1000
"""Records and sets of members per page."""

EDGES = 50_000
"""Memberships per page, not counting its last group."""

FEW = 0.1
"""The share of the entries from which on a hidden attribute that all entries have discards the pull."""


class Dynamic(Struct, frozen=True):
    """A dynamic group: its static members, and the URLs (RFC 4516) that find the others."""

    id: str
    dn: str
    members: frozenset[str]
    urls: Sequence[bytes]


class EntryReader:
    """Converts the entries of one kind to pages.

    ``reads``: the attributes that the rules read; None: all. ``never``: attributes that are always left out.
    :attr:`asks`: the attributes to request.
    """

    def __init__(
        self,
        kind: Kind,
        reads: frozenset[str] | None,
        schema: Schema,
        never: frozenset[str] = frozenset(),
        required_attributes: RequiredAttributes = NOTHING,
        is_shown: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self.kind = kind
        self._schema = schema
        self._fields = Fields(kind, reads, schema, never)
        self._member_names = frozenset(map(str.lower, schema.members))
        self._url_names = frozenset(map(str.lower, schema.urls if kind is Kind.GROUP else ()))
        needed = self._needed()
        asked = {*self._fields.names, *needed}
        self.asks = sorted({"*", *schema.operational, *asked} if reads is None else asked)
        named = {name.lower() for name in self._fields.names}
        self._only_asked = [] if reads is None else [name for name in needed if name.lower() not in named]
        self._only_asked = [self._fields.spelled(name) for name in self._only_asked]
        if reads is not None:
            self._only_asked += [source for _, source, _ in self._fields.derived if source not in reads]
        self._key, self._uid = self._fields.spelled(schema.key), self._fields.spelled("uid")
        self._naming = [(name, self._fields.spelled(name)) for name in ("cn", "uid")]
        known = {name.lower() for name in asked}
        always = [
            name for name in schema.always_present if kind is Kind.USER and (reads is None or name.lower() in known)
        ]
        self._always = always
        named = asked if reads is not None else {*asked, "cn", "sn", "uid"}
        demanded = schema.members if kind is Kind.GROUP else sorted({*self._fields.names, *named} - {"objectClass"})
        self._hidden = HiddenAttributes(always, named, demanded, required_attributes, is_shown)
        self.dynamic: list[Dynamic] = []
        """Dynamic groups, which are not in any page: their members must still be searched."""
        self._items: list[Record | Unread | Members] = []
        self._edges = 0
        self._whole = True
        self._taken = 0
        self._hiding: dict[str, list[str]] = {}

    def page(self) -> Page:
        """The items since the last page."""
        page, self._items, self._edges = self._items, [], 0
        return page

    def take(self, dn: str, entry: Entry) -> bool:
        """Read an entry: a record, and for a group its members, which are removed from ``entry``.

        True: the page is full. Raises SourceError when the entry has no immutable id.
        """
        self._taken += 1
        hidden = self._hidden.hidden(ad.plain(dn), entry)
        members = None if self.kind is Kind.USER else self._members(entry)
        urls = self._urls(entry)
        attributes = self._attributes(dn, entry)
        key, handles = self._identity(dn, attributes)
        if hidden is not None:
            self._items.append(self._unread(key, ad.plain(dn), hidden))
            return len(self._items) >= ITEMS
        for name in self._only_asked:
            attributes.pop(name, None)
        self._items.append(Record(self.kind, key, attributes, handles))
        if members is not None and urls:
            self.dynamic.append(Dynamic(key, dn, members, urls))
        elif members is not None:
            self._items.append(Members(key, members, whole=self._whole))
            self._edges += len(members)
        return len(self._items) >= ITEMS or self._edges >= EDGES

    def _unread(self, key: str, dn: str, hidden: str) -> Unread:
        if hidden in self._always:
            self._hiding.setdefault(hidden, []).append(dn)
        remedy = self._grant(hidden) if hidden in self._always else GRANT.format(hidden)
        return Unread(self.kind, key, f"the directory hides {hidden} of {dn}\n  → {remedy}")

    def _grant(self, name: str) -> str:
        """The remedy for a hidden attribute that every user has."""
        return GRANT_ON_SET.format(self._schema.always_present[name])

    def verify(self) -> None:
        """Raises SourceError if an attribute that every user has is hidden on many: the account lacks the right to read
        it."""
        for name, hiding in self._hiding.items():
            if len(hiding) >= FEW * self._taken:
                raise SourceError(
                    f"{name} is hidden on {len(hiding)} of {self._taken} users, but every user has it (the first: "
                    f"{hiding[0]}): the pull was discarded",
                    self._grant(name),
                )

    def _needed(self) -> tuple[str, ...]:
        """The attributes that identify an entry and its members."""
        schema = self._schema
        if self.kind is Kind.USER:
            return (schema.key, "uid", "objectClass")
        return (schema.key, "objectClass", *schema.members, *schema.urls)

    def _identity(self, dn: str, attributes: dict[str, Value]) -> tuple[str, tuple[str, ...]]:
        """An entry's id and handles."""
        key = attributes.get(self._key)
        if not isinstance(key, str) or not key:
            raise missing_id(dn, self._schema.key)
        handle = "dn:" + dns.normal(dn)
        uid = attributes.get(self._uid) if self.kind is Kind.USER else None
        if isinstance(uid, str):
            return key, (handle, "uid:" + uid.lower())
        return key, (handle, *("uid:" + one.lower() for one in uid or ())) if isinstance(uid, list) else (handle,)

    def _members(self, entry: Entry) -> frozenset[str] | None:
        return _take_members(entry, self._member_names)

    def _urls(self, entry: Entry) -> list[bytes]:
        if not self._url_names:
            return []
        return [url for name, values in entry.items() if name.lower() in self._url_names for url in values]

    def _attributes(self, dn: str, entry: Entry) -> dict[str, Value]:
        fields = self._fields
        try:
            # A pull of 100,000 users spends its time here: nearly every attribute has a single text value.
            found: dict[str, Value] = {
                fields[name]: values[0].decode() if len(values) == 1 else [value.decode() for value in values]
                for name, values in entry.items()
            }
        except UnicodeDecodeError:
            found = self._with_binary(entry)
        found.pop(LEFT_OUT, None)
        for name, spelled in self._naming:
            if isinstance(values := found.get(spelled), list):
                # Servers send values in any order (RFC 4511, section 4.1.7), and one of them may be an old name.
                found[spelled] = sorted(values, key=lambda one: not dns.is_named(dn, name, one))
        for name, convert in fields.converts:
            if name in found:
                found[name] = convert(found[name])
        for name, source, derive in fields.derived:
            value = derive(found.get(source))
            if value is not None:
                found[name] = value
        for name, other in fields.twice:
            if name in found:
                found[other] = found[name]
        return found

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


GRANT = "grant usersyncd's account the right to read {} of this entry"
GRANT_ON_SET = "grant usersyncd's account the right Read on the property set {} of all users"


def missing_id(dn: str, key: str) -> SourceError:
    """The error for an entry without its immutable id."""
    return SourceError(
        f"the entry {dn} has no {key}: after a rename it could not be recognised",
        f"grant usersyncd's account the right to read {key}, an operational attribute; "
        "a server without it cannot be read",
    )


_UNIQUE_ID = re.compile(rb"#'[01]*'B$")


def _take_members(entry: Entry, names: frozenset[str]) -> frozenset[str]:
    """The members of an entry, as handles; they are removed from it."""
    found: frozenset[str] = frozenset()
    for name in [name for name in entry if name.lower() in names]:
        values = entry.pop(name)
        if name.lower() == "memberuid":
            found |= {"uid:" + uid.decode(errors="backslashreplace").lower() for uid in values if uid}
        else:
            # uniqueMember is a DN with an optional bit string after it (RFC 4517, section 3.3.21).
            plain = name.lower() == "member"
            found |= dns.handles(values if plain else [_UNIQUE_ID.sub(b"", value) for value in values])
    return found
