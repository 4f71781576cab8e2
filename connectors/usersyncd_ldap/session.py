"""One pull's view of a directory: the server, what is to be read of it, and how its entries are read."""

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
from usersyncd_ldap.ber import SEQUENCE, integer, tlv
from usersyncd_ldap.certain import Musts, musts
from usersyncd_ldap.client import Server
from usersyncd_ldap.cursor import fingerprint
from usersyncd_ldap.entries import Entry, EntryReader, nameless
from usersyncd_ldap.mapping import SCHEMAS
from usersyncd_ldap.noted import Name, Noted
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.rootdse import Product, RootDse
from usersyncd_ldap.scope import parts, within

EXTENDED_DN = RequestControl("1.2.840.113556.1.4.529", True, tlv(SEQUENCE, integer(1)))
"""Every DN with its GUID and SID in front, as text (MS-ADTS, section 3.1.1.3.4.1.5)."""
DOMAIN_SCOPE = RequestControl("1.2.840.113556.1.4.1339", False)
"""No references to the other partitions, which every domain has (MS-ADTS, section 3.1.1.3.4.1.4)."""

DS389_COUNTS = ("firstChangeNumber", "lastChangeNumber")
"""The ends of the changelog of a 389 Directory Server, which it tells only when they are named."""

KINDS = (Kind.USER, Kind.GROUP)

STEADY = (Product.OPENLDAP, Product.DS389)
"""Servers that number their entries for life, and go through the pages of a search by these numbers."""

CHUNK = 100
"""Entries that one search asks for by id."""


class Reading:
    """Raises SourceError when it is not clear where to search."""

    def __init__(
        self, server: Server, options: LdapOptions, reads: Mapping[Kind, frozenset[str] | None], log: Any
    ) -> None:
        self.server = server
        self.root = RootDse(server.read("", ["*", "+", *DS389_COUNTS]))
        self.schema = SCHEMAS[self.root.product]
        self.parts = parts(options, self.schema, self.root)
        self.reads = reads
        if self.is_ad:
            self.schema = replace(self.schema, unreported=self.schema.unreported | self._computed())
        self.log = log
        self.never: frozenset[str] = frozenset()
        """Attributes that the strategy cannot keep up to date, in lower case: they are not read."""
        self.controls = [EXTENDED_DN, DOMAIN_SCOPE] if self.is_ad else []
        self._groups: dict[str, str | None] = {}
        self._is_shown = {kind: cache(partial(self._shows, kind)) for kind in KINDS}

    @property
    def is_ad(self) -> bool:
        return self.root.product is Product.ACTIVE_DIRECTORY

    @property
    def scope(self) -> str:
        """The fingerprint of what is read."""
        parts = {kind: (part.bases, part.filter) for kind, part in self.parts.items()}
        reads = {kind: None if names is None else sorted(names) for kind, names in self.reads.items()}
        return fingerprint({"product": self.root.product, "parts": parts, "reads": reads})

    def suffix(self, base: str) -> str:
        """The naming context that holds a base; the longest, should one lie in another."""
        return max((context for context in self.root.contexts if within(base, context)), key=len, default=base)

    @property
    def suffixes(self) -> list[str]:
        """The naming contexts that are read."""
        return sorted({self.suffix(base) for part in self.parts.values() for base in part.bases})

    def reader(self, kind: Kind, *, members: bool = True, whole: bool = False) -> EntryReader:
        """A reader for entries of one kind. ``members`` and ``whole`` are for Active Directory, see AdEntryReader."""
        if not self.is_ad:
            return EntryReader(kind, self.reads[kind], self.schema, self.never, self._musts, self._is_shown[kind])
        return AdEntryReader(
            kind, self.reads[kind], self.schema, self.never,
            group_of=self._group_of, members=members, whole=whole,
        )  # fmt: skip

    def pages(self, reader: EntryReader, narrower: str = "") -> Iterator[Page]:
        """The entries of the reader's kind, in pages as they arrive; ``narrower`` is one more filter.

        One search tells what is there at one moment, several do not: who moves to where was read already is in none of
        them. So after several, the ids are asked for once more, and who was missed is read by id. The pages of a search
        are several, too, unless the server goes through its entries in an order that does not change.

        Raises SourceError when they could not be read to their end.
        """
        noted = Noted()
        looks = yield from self._entries(reader, narrower, noted)
        if looks > 1:
            missed = yield from self._missed(reader.kind, narrower, noted)
            for at in range(0, len(missed), CHUNK):
                yield from self._entries(reader, self.by_id(missed[at : at + CHUNK]), noted)
        if isinstance(reader, AdEntryReader):
            for rest in reader.rests:
                yield from ranges.rest(self.server, rest, self.controls)
        for group in reader.dynamic:
            yield from dynamic.members(self.server, group)

    def _entries(self, reader: EntryReader, narrower: str, noted: Noted) -> Generator[Page, None, int]:
        """What the searches below all bases find; returns how many times something was looked for."""
        looks = 0
        for base in self.parts[reader.kind].bases:
            search = self.server.search(base, self._filter(reader.kind, narrower), reader.asks, self.controls)
            for _ in search.run(reader.take):
                page = reader.page()
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

    def _missed(self, kind: Kind, narrower: str, noted: Noted) -> Generator[Page, None, list[str]]:
        """The ids of those who are there and are not ``noted``. Pauses with empty pages."""
        is_noted = noted.searcher()
        missed: dict[str, None] = {}

        def note(name: Name) -> None:
            if not is_noted(name):
                missed[name[0]] = None

        for _ in self.named(kind, self.parts[kind].bases, note, narrower):
            yield []
        return list(missed)

    def named(
        self, kind: Kind, bases: Iterable[str], note: Callable[[Name], object], narrower: str = ""
    ) -> Iterator[None]:
        """Give ``note`` id and, where members are known by it, name of the entries of a kind. Pauses as a search does.

        Raises SourceError when an entry shows no id, or they were not read to their end.
        """
        asked = ["1.1"] if self.is_ad else [self.schema.key]

        def take(dn: str, entry: Entry) -> bool:
            note(self._name(dn, entry))
            return False

        for base in bases:
            yield from self.server.search(base, self._filter(kind, narrower), asked, self.controls).run(take)

    def _name(self, dn: str, entry: Entry) -> Name:
        if self.is_ad:
            return (ad.identified(dn)[0],)
        for name, values in entry.items():
            if name.lower() == self.schema.key.lower():
                return values[0].decode(), "dn:" + dns.normal(dn)
        raise nameless(dn, self.schema.key)

    def _filter(self, kind: Kind, narrower: str) -> str:
        return f"(&{self.parts[kind].filter}{narrower})" if narrower else self.parts[kind].filter

    def by_id(self, ids: Iterable[str]) -> str:
        """The filter that finds the entries with these ids."""
        one = ad.guid_filter if self.is_ad else f"({self.schema.key}={{}})".format
        return f"(|{''.join(map(one, ids))})"

    def find(self, kind: Kind, narrower: str, attributes: Sequence[str]) -> list[tuple[str, Entry]]:
        """The few entries of a kind that one more filter leaves."""
        part = self.parts[kind]
        return [
            found
            for base in part.bases
            for found in self.server.find(base, f"(&{part.filter}{narrower})", attributes, self.controls)
        ]

    def read_shown(self, dn: str, attributes: Sequence[str], control: RequestControl) -> Entry | None:
        """One entry, read with a control; None when we do not see it."""
        try:
            found = [*self.server.answers(dn, ldap.SCOPE_BASE, "(objectClass=*)", attributes, [control])]
        except ldap.LDAPError:
            return None
        entries = [answer[1][0][1] for answer in found if answer and answer[0] == ldap.RES_SEARCH_ENTRY]
        return entries[0] if entries else None

    def dynamic(self) -> Iterator[Page]:
        """The groups whose members change without a change of the group, each whole."""
        if self.schema.dynamic:
            yield from self.pages(self.reader(Kind.GROUP), self.schema.dynamic)

    @cached_property
    def _musts(self) -> Musts:
        """What the server's schema demands. Where it may not be read, nothing is known."""
        subschema = self.root.text("subschemaSubentry")
        try:
            found = self.server.read(subschema, ["objectClasses"]) if subschema else {}
        except SourceError:
            return {}
        return musts(text for texts in found.values() for text in texts)

    def _shows(self, kind: Kind, attribute: str) -> bool:
        """Whether the account reads an attribute of anybody. A group without members is never as it should be."""
        part = self.parts[kind]
        narrower = f"(&{part.filter}({attribute}=*))"
        return kind is Kind.GROUP or any(self.server.shows(base, narrower, attribute) for base in part.bases)

    def _computed(self) -> frozenset[str]:
        """Those of the attributes that are looked at that Active Directory works out."""
        read = [self.reads[kind] for kind in KINDS]
        filtered = [part.attributes for part in self.parts.values()]
        names = None if None in read else frozenset[str]().union(*(each or () for each in read), *filtered)
        return adschema.computed(self.server, self.root.text("schemaNamingContext"), names)

    def _group_of(self, sid: str) -> str | None:
        """The id of the group with this SID, if it is one of those that are read."""
        if sid not in self._groups:
            found = [ad.EXTENDED.fullmatch(dn) for dn, _ in self.find(Kind.GROUP, f"(objectSid={sid})", ["1.1"])]
            self._groups[sid] = next((match[1].lower() for match in found if match), None)
        return self._groups[sid]
