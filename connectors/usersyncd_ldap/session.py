"""One pull's access to a directory: the server, the scope, and the searches."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import Any

import ldap
from ldap.controls import RequestControl
from msgspec.structs import replace

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Page
from usersyncd_ldap import ad, adschema, dynamic, ranges
from usersyncd_ldap import dn as dns
from usersyncd_ldap.adentries import AdEntryReader
from usersyncd_ldap.attributes import Entry, Lot
from usersyncd_ldap.ber import SEQUENCE, integer, tlv
from usersyncd_ldap.client import Server
from usersyncd_ldap.cursor import fingerprint
from usersyncd_ldap.entries import EntryReader, missing_id
from usersyncd_ldap.hidden import RequiredAttributes, required_attributes
from usersyncd_ldap.mapping import SCHEMAS
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.rootdse import Product, RootDse
from usersyncd_ldap.scope import search_scopes, within
from usersyncd_ldap.seen import Name, SeenEntries

EXTENDED_DN = RequestControl("1.2.840.113556.1.4.529", True, tlv(SEQUENCE, integer(1)))
"""Requests every DN with its GUID and SID, as text (MS-ADTS, section 3.1.1.3.4.1.5)."""
DOMAIN_SCOPE = RequestControl("1.2.840.113556.1.4.1339", False)
"""Suppresses the references to other partitions, which every domain has (MS-ADTS, section 3.1.1.3.4.1.4)."""

DS389_COUNTS = ("firstChangeNumber", "lastChangeNumber")
"""The first and last change in the changelog of a 389 Directory Server; returned only if requested by name."""

KINDS = (Kind.USER, Kind.GROUP)

STEADY = (Product.OPENLDAP, Product.DS389)
"""Servers with permanent entry numbers, which return the pages of a search in this order."""

CHUNK = 100
"""Entries per search by id."""


class Session:
    """A server with the scope of a pull. Raises SourceError when no base can be determined."""

    def __init__(
        self, server: Server, options: LdapOptions, reads: Mapping[Kind, frozenset[str] | None], log: Any
    ) -> None:
        self.server = server
        self.root = RootDse(server.read("", ["*", "+", *DS389_COUNTS]))
        self.schema = SCHEMAS[self.root.product]
        self.scopes = search_scopes(options, self.schema, self.root)
        self.reads = reads
        if self.is_ad:
            self.schema = replace(self.schema, unreported=self.schema.unreported | self._computed())
        self.log = log
        self.never: frozenset[str] = frozenset()
        """Attributes, in lower case, that the strategy cannot keep up to date: they are not read."""
        self.controls = [EXTENDED_DN, DOMAIN_SCOPE] if self.is_ad else []
        self._groups: dict[str, str | None] = {}
        self._is_shown = {kind: cache(partial(self._shows, kind)) for kind in KINDS}

    @property
    def is_ad(self) -> bool:
        return self.root.product is Product.ACTIVE_DIRECTORY

    @property
    def scope_fingerprint(self) -> str:
        """The fingerprint of product, bases, filters and attributes."""
        parts = {kind: (scope.bases, scope.filter) for kind, scope in self.scopes.items()}
        reads = {kind: None if names is None else sorted(names) for kind, names in self.reads.items()}
        return fingerprint({"product": self.root.product, "parts": parts, "reads": reads})

    def suffix(self, base: str) -> str:
        """The naming context of a base; the longest if they are nested."""
        return max((context for context in self.root.contexts if within(base, context)), key=len, default=base)

    @property
    def suffixes(self) -> list[str]:
        """The naming contexts of all bases."""
        return sorted({self.suffix(base) for scope in self.scopes.values() for base in scope.bases})

    def reader(self, kind: Kind, *, members: bool = True, whole: bool = False) -> EntryReader:
        """A reader for entries of one kind. ``members`` and ``whole`` apply to Active Directory, see AdEntryReader."""
        if not self.is_ad:
            return EntryReader(kind, self.reads[kind], self.schema, self.never, self._required, self._is_shown[kind])
        return AdEntryReader(
            kind, self.reads[kind], self.schema, self.never,
            group_of=self._group_of, members=members, whole=whole,
        )  # fmt: skip

    def pages(self, reader: EntryReader, narrower: str = "") -> Iterator[Page]:
        """The entries of the reader's kind, in pages as they arrive; ``narrower`` is an additional filter.

        One search shows one moment, several do not: an entry that moves to a part that was already read is in none of
        them. So after several searches, the ids are requested again, and missed entries are read by id. The pages of
        one search count as several searches, unless the server returns entries in a fixed order.

        Raises SourceError when the entries cannot be read to their end.
        """
        one_look = self.root.product in STEADY and len(self.scopes[reader.kind].bases) == 1
        noted = None if one_look else SeenEntries()
        looks = yield from self._entries(reader, narrower, noted)
        if noted is not None and looks > 1:
            missed = yield from self._missed(reader.kind, narrower, noted)
            for at in range(0, len(missed), CHUNK):
                yield from self._entries(reader, self.by_id(missed[at : at + CHUNK]), noted)
        if isinstance(reader, AdEntryReader):
            for rest in reader.rests:
                yield from ranges.rest(self.server, rest, self.controls)
        for group in reader.dynamic:
            yield from dynamic.members(self.server, group)

    def _entries(self, reader: EntryReader, narrower: str, noted: SeenEntries | None) -> Generator[Page, None, int]:
        """The entries of the searches below all bases; returns the number of searches."""
        looks = 0
        for base in self.scopes[reader.kind].bases:
            search = self.server.search(
                base, self._filter(reader.kind, narrower), reader.asks, self.controls, lot=reader.lot
            )
            for _ in search.run(reader.take):
                page = reader.page()
                if noted is not None:
                    noted.add(page)
                yield page
            looks += 1 if self.root.product in STEADY else search.pages
            if search.referrals:
                self.log.warning(
                    "parts of this directory are on other servers and were not read",
                    event_name="ldap.referrals",
                    count=len(search.referrals),
                    first=search.referrals[0],
                )
        return looks

    def _missed(self, kind: Kind, narrower: str, noted: SeenEntries) -> Generator[Page, None, list[str]]:
        """The ids of existing entries that are not ``noted``. Pauses with empty pages."""
        is_noted = noted.searcher()
        missed: dict[str, None] = {}

        def note(name: Name) -> None:
            if not is_noted(name):
                missed[name[0]] = None

        for _ in self.named(kind, self.scopes[kind].bases, note, narrower):
            yield []
        return list(missed)

    def named(
        self, kind: Kind, bases: Iterable[str], note: Callable[[Name], object], narrower: str = ""
    ) -> Iterator[None]:
        """Call ``note`` with the id (and the DN, if members refer to it) of each entry of a kind. Pauses as a search
        does.

        Raises SourceError when an entry has no id, or the entries cannot be read to their end.
        """
        asked = ["1.1"] if self.is_ad else [self.schema.key]

        def take(lot: Lot) -> bool:
            for each in lot:
                note(self.name_of(*each))
            return False

        for base in bases:
            yield from self.server.search(base, self._filter(kind, narrower), asked, self.controls).run(take)

    def name_of(self, dn: str, entry: Entry) -> Name:
        """An entry's id and, if members refer to it, its DN as a handle."""
        if self.is_ad:
            return (ad.guid_and_sid(dn)[0],)
        for name, values in entry.items():
            if name.lower() == self.schema.key.lower():
                return values[0].decode(), "dn:" + dns.normal(dn)
        raise missing_id(dn, self.schema.key)

    def _filter(self, kind: Kind, narrower: str) -> str:
        return f"(&{self.scopes[kind].filter}{narrower})" if narrower else self.scopes[kind].filter

    def by_id(self, ids: Iterable[str]) -> str:
        """The filter for the entries with these ids."""
        one = ad.guid_filter if self.is_ad else f"({self.schema.key}={{}})".format
        return f"(|{''.join(map(one, ids))})"

    def find(self, kind: Kind, narrower: str, attributes: Sequence[str]) -> Lot:
        """The entries of a kind that match an additional filter; for few results."""
        scope = self.scopes[kind]
        return [
            found
            for base in scope.bases
            for found in self.server.find(base, f"(&{scope.filter}{narrower})", attributes, self.controls)
        ]

    def read_shown(self, dn: str, attributes: Sequence[str], control: RequestControl) -> Entry | None:
        """One entry, read with a control; None when the account does not see it."""
        try:
            found = [*self.server.answers(dn, ldap.SCOPE_BASE, "(objectClass=*)", attributes, [control])]
        except ldap.LDAPError:
            return None
        entries = [answer[1][0][1] for answer in found if answer and answer[0] == ldap.RES_SEARCH_ENTRY]
        return entries[0] if entries else None

    def dynamic(self) -> Iterator[Page]:
        """All groups whose members change without a change of the group, with all members."""
        if self.schema.dynamic:
            yield from self.pages(self.reader(Kind.GROUP), self.schema.dynamic)

    @cached_property
    def _required(self) -> RequiredAttributes:
        """The required attributes by the server's schema; empty if it may not be read."""
        subschema = self.root.text("subschemaSubentry")
        try:
            found = self.server.read(subschema, ["objectClasses"]) if subschema else {}
        except SourceError:
            return {}
        return required_attributes(text for texts in found.values() for text in texts)

    def _shows(self, kind: Kind, attribute: str) -> bool:
        """Whether the account can read an attribute of at least one entry. Always true for groups: their members are
        required."""
        scope = self.scopes[kind]
        narrower = f"(&{scope.filter}({attribute}=*))"
        return kind is Kind.GROUP or any(self.server.shows(base, narrower, attribute) for base in scope.bases)

    def _computed(self) -> frozenset[str]:
        """The attributes in use that Active Directory computes."""
        read = [self.reads[kind] for kind in KINDS]
        filtered = [scope.attributes for scope in self.scopes.values()]
        names = None if None in read else frozenset[str]().union(*(each or () for each in read), *filtered)
        return adschema.computed(self.server, self.root.text("schemaNamingContext"), names)

    def _group_of(self, sid: str) -> str | None:
        """The id of the group with this SID, if it is in scope."""
        if sid not in self._groups:
            found = [ad.EXTENDED.fullmatch(dn) for dn, _ in self.find(Kind.GROUP, f"(objectSid={sid})", ["1.1"])]
            self._groups[sid] = next((match[1].lower() for match in found if match), None)
        return self._groups[sid]
