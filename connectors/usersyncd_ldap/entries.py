"""Converts a server's entries to records, handles and members."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Page, Record, Unread, Value
from usersyncd_ldap import ad
from usersyncd_ldap import dn as dns
from usersyncd_ldap.attributes import AttributeDecoder, Entry, Lot
from usersyncd_ldap.fields import LEFT_OUT, Fields
from usersyncd_ldap.forms import EntryForm, EntryForms
from usersyncd_ldap.hidden import NOTHING, HiddenAttributes, RequiredAttributes
from usersyncd_ldap.mapping import Schema

ITEMS = 1000
"""Records and sets of members per page."""

EDGES = 50_000
"""Memberships per page, not counting its last lot."""

LOT = 100
"""Entries that are converted together: what depends on few of their attributes is then found once for all of them."""

FEW = 0.1
"""The share of the entries from which on a hidden attribute that all entries have discards the pull."""


class Dynamic(Struct, frozen=True):
    """A dynamic group: its static members, and the URLs (RFC 4516) that find the others."""

    id: str
    dn: str
    members: frozenset[str]
    urls: Sequence[bytes]


class GroupParts(Struct):
    """What a group's entry has besides attributes: its members, by attribute, and the URLs of a dynamic group."""

    members: Entry
    urls: list[bytes]


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
        only_asked = [] if reads is None else [name for name in needed if name.lower() not in named]
        only_asked = [self._fields.spelled(name) for name in only_asked if self._fields[name] != LEFT_OUT]
        if reads is not None:
            only_asked += [source for _, source, _ in self._fields.derived if source not in reads]
        self._only_asked = only_asked
        self._key, self._uid = self._fields.spelled(schema.key), self._fields.spelled("uid")
        known = {name.lower() for name in asked}
        always = [
            name for name in schema.always_present if kind is Kind.USER and (reads is None or name.lower() in known)
        ]
        self._always = always
        named = asked if reads is not None else {*asked, "cn", "sn", "uid"}
        demanded = schema.members if kind is Kind.GROUP else sorted({*self._fields.names, *named} - {"objectClass"})
        self._hidden = HiddenAttributes(always, named, demanded, required_attributes, is_shown)
        self._forms = EntryForms(self._fields, schema, self._is_member, self._url_names)
        self._decoder = AttributeDecoder(self._fields)
        self.dynamic: list[Dynamic] = []
        """Dynamic groups, which are not in any page: their members must still be searched."""
        self._lot: Lot = []
        self._values = 0
        self._items: list[Record | Unread | Members] = []
        self._edges = 0
        self._whole = True
        self._taken = 0
        self._hiding: dict[str, list[str]] = {}

    @property
    def lot(self) -> int:
        """How many entries to take at once."""
        return LOT if self.kind is Kind.USER else 1

    def take(self, lot: Lot) -> bool:
        """Take entries, which become records, and for groups also their members. True: the page is full.

        Raises SourceError when an entry has no immutable id.
        """
        self._lot += lot
        if self.kind is Kind.GROUP:
            self._values += sum(len(values) for _, entry in lot for values in entry.values())
        if len(self._lot) >= LOT or self._values >= EDGES:
            self._convert()
        return len(self._items) >= ITEMS or self._edges >= EDGES

    def page(self) -> Page:
        """The items since the last page. Raises SourceError as :meth:`take` does."""
        self._convert()
        page, self._items, self._edges = self._items, [], 0
        return page

    def _convert(self) -> None:
        """Convert the entries that were taken since the last call."""
        if not self._lot:
            return
        dns_, entries = [dn for dn, _ in self._lot], [entry for _, entry in self._lot]
        self._lot, self._values = [], 0
        self._taken += len(entries)
        forms = [self._forms[names] for names in map("\n".join, entries)]
        hidden = self._hidden.of_all(self._plain_dns(dns_), entries, forms)
        groups = [_group_parts(*each) for each in zip(entries, forms, strict=True)] if self.kind is Kind.GROUP else []
        found = self._decoded(dns_, entries, forms)
        ids = [self._id(*each) for each in zip(dns_, found, strict=True)]
        handles = self._handles(dns_, found)
        for name in self._only_asked:
            for attributes in found:
                attributes.pop(name, None)
        self._items += [
            Record(self.kind, *record) if hides is None else self._unread(record[0], ad.plain(dn), hides)
            for dn, hides, record in zip(dns_, hidden, zip(ids, found, handles, strict=True), strict=True)
        ]
        for id_, dn, hides, group in zip(ids, dns_, hidden, groups, strict=False):
            if hides is None:
                self._add_members(id_, dn, group)

    def _add_members(self, key: str, dn: str, group: GroupParts) -> None:
        members = _handles_of_members(group.members)
        if group.urls:
            self.dynamic.append(Dynamic(key, dn, members, group.urls))
        else:
            self._items.append(Members(key, members, whole=self._whole))
            self._edges += len(members)

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

    def _is_member(self, name: str) -> bool:
        """Whether an attribute has a group's members."""
        return self.kind is Kind.GROUP and name.lower() in self._member_names

    def _plain_dns(self, dns_: list[str]) -> list[str]:
        return dns_

    def _decoded(self, dns_: list[str], entries: list[Entry], forms: list[EntryForm]) -> list[dict[str, Value]]:
        return self._decoder.decoded(dns_, entries, forms)

    def _id(self, dn: str, attributes: dict[str, Value]) -> str:
        key = attributes.get(self._key)
        if not isinstance(key, str) or not key:
            raise missing_id(dn, self._schema.key)
        return key

    def _handles(self, dns_: list[str], found: list[dict[str, Value]]) -> Sequence[tuple[str, ...]]:
        handles = dns.handles_in_order(dns_)
        if self.kind is Kind.GROUP:
            return [(handle,) for handle in handles]
        uids = [attributes.get(self._uid) for attributes in found]
        return [
            (handle, f"uid:{uid.lower()}") if isinstance(uid, str) else (handle, *_uid_handles(uid))
            for handle, uid in zip(handles, uids, strict=True)
        ]


def _uid_handles(uid: Value) -> Sequence[str]:
    return [f"uid:{one.lower()}" for one in uid] if isinstance(uid, list) else ()


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


def _group_parts(entry: Entry, form: EntryForm) -> GroupParts:
    """The parts of a group's entry; the members are removed from it."""
    urls = [url for name in form.urls for url in entry[name]]
    return GroupParts({name: entry.pop(name) for name in form.members}, urls)


def _handles_of_members(attributes: Entry) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    for name, values in attributes.items():
        if name.lower() == "memberuid":
            found |= {"uid:" + uid.decode(errors="backslashreplace").lower() for uid in values if uid}
        else:
            # uniqueMember is a DN with an optional bit string after it (RFC 4517, section 3.3.21).
            plain = name.lower() == "member"
            found |= dns.handles(values if plain else [_UNIQUE_ID.sub(b"", value) for value in values])
    return found
