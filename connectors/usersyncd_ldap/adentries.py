"""Reads Active Directory's entries: identified and referenced by GUID, with members in ranges."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from usersyncd.plugin import Kind, Members, Page, Unread, Value
from usersyncd_ldap import ad
from usersyncd_ldap.entries import Entry, EntryReader
from usersyncd_ldap.fields import LEFT_OUT
from usersyncd_ldap.mapping import Schema

RANGE = re.compile(r"member;range=(\d+)-(\d+|\*)", re.IGNORECASE)
"""The name of a range of a long attribute (MS-ADTS, section 3.1.1.3.1.3.3)."""


class MissingMembers(Struct, frozen=True):
    """Members of ``group`` from number ``start`` on, which the server did not send: they must be requested."""

    group: str
    start: int


class AdEntryReader(EntryReader):
    """Reads entries that were requested with extended DNs. Ids and references to other objects are GUIDs, because
    Active Directory updates references to a renamed object without reporting it as a change.

    A user's primary group does not have the user in ``member``: ``group_of`` returns the id of the group with a SID
    (None: it is not read), and the reader adds the membership. :attr:`rests`: the groups of which only the first
    members were sent; :attr:`sids`: the SIDs of all groups. ``members`` False: groups are read without members.
    """

    def __init__(
        self,
        kind: Kind,
        reads: frozenset[str] | None,
        schema: Schema,
        never: frozenset[str] = frozenset(),
        *,
        group_of: Callable[[str], str | None] = lambda _: None,
        members: bool = True,
        whole: bool = False,
    ) -> None:
        self._asks_members = members
        super().__init__(kind, reads, schema, never)
        self.rests: list[MissingMembers] = []
        self.sids: dict[str, str] = {}
        self._group_of = group_of
        self._whole = whole
        self._bytes = schema.bytes
        self._rid = self._fields.spelled("primaryGroupID")
        self._primary: dict[str, set[str]] = {}
        self._id, self._next = "", 0

    def page(self) -> Page:
        self._items += [Members(group, frozenset(users)) for group, users in self._primary.items()]
        self._primary = {}
        return super().page()

    def take(self, dn: str, entry: Entry) -> bool:
        self._next = 0
        full = super().take(dn, entry)
        if self._next and self._asks_members and not isinstance(self._items[-1], Unread):
            self.rests.append(MissingMembers(self._id, self._next))
        return full

    def _needed(self) -> tuple[str, ...]:
        if self.kind is Kind.USER:
            return ("primaryGroupID",)
        return self._schema.members if self._asks_members else ("objectClass",)

    def _identity(self, dn: str, attributes: dict[str, Value]) -> tuple[str, tuple[str, ...]]:
        self._id, sid = ad.guid_and_sid(dn)
        rid = attributes.get(self._rid) if self.kind is Kind.USER else None
        if self.kind is Kind.GROUP:
            self.sids[sid] = self._id
        elif sid:
            # A user that does not show it gets the default, which is nearly always correct.
            shown = rid if isinstance(rid, str) else ad.DOMAIN_USERS
            group = self._group_of(ad.sid_of_primary_group(sid, shown))
            if group is not None:
                self._primary.setdefault(group, set()).add(self._id)
        return self._id, ()

    def _attributes(self, dn: str, entry: Entry) -> dict[str, Value]:
        special = {
            self._fields[name]: self._bytes[name.lower()](entry.pop(name)[0])
            for name in [*entry]
            if name.lower() in self._bytes
        }
        attributes = super()._attributes(dn, entry)
        for name, value in attributes.items():
            first = value[0] if isinstance(value, list) else value
            if isinstance(first, str) and first.startswith("<GUID="):
                attributes[name] = (
                    [ad.plain(str(each)) for each in value] if isinstance(value, list) else ad.plain(first)
                )
        special.pop(LEFT_OUT, None)
        return {**attributes, **special} if special else attributes

    def _members(self, entry: Entry) -> frozenset[str] | None:
        """The members that were sent with the group, which are removed from ``entry``."""
        found: frozenset[str] = frozenset()
        for name in [name for name in entry if name.lower().startswith("member")]:
            match = RANGE.fullmatch(name)
            if match is None and name.lower() != "member":
                continue
            found |= ad.references(entry.pop(name))
            if match is not None and match[2] != "*":
                self._next = int(match[2]) + 1
        return found if self._asks_members else None
