"""Reads Active Directory's entries: identified and referenced by GUID, with members in ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from usersyncd.plugin import Kind, Members, Page, Value
from usersyncd_ldap import ad
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.entries import EntryReader, GroupParts
from usersyncd_ldap.forms import EntryForm
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
        self._rid = self._fields.spelled("primaryGroupID")
        self._primary: dict[str, set[str]] = {}

    def page(self) -> Page:
        self._convert()
        self._items += [Members(group, frozenset(users)) for group, users in self._primary.items()]
        self._primary = {}
        return super().page()

    def _needed(self) -> tuple[str, ...]:
        if self.kind is Kind.USER:
            return ("primaryGroupID",)
        return self._schema.members if self._asks_members else ("objectClass",)

    def _plain_dns(self, dns_: list[str]) -> list[str]:
        return [*map(ad.plain, dns_)]

    def _handles(self, dns_: list[str], _found: list[dict[str, Value]]) -> Sequence[tuple[str, ...]]:
        return [()] * len(dns_)

    def _id(self, dn: str, attributes: dict[str, Value]) -> str:
        key, sid = ad.guid_and_sid(dn)
        rid = attributes.get(self._rid) if self.kind is Kind.USER else None
        if self.kind is Kind.GROUP:
            self.sids[sid] = key
        elif sid:
            # A user that does not show it gets the default, which is nearly always correct.
            shown = rid if isinstance(rid, str) else ad.DOMAIN_USERS
            group = self._group_of(ad.sid_of_primary_group(sid, shown))
            if group is not None:
                self._primary.setdefault(group, set()).add(key)
        return key

    def _decoded(self, dns_: list[str], entries: list[Entry], forms: list[EntryForm]) -> list[dict[str, Value]]:
        return [*map(_with_plain_dns, super()._decoded(dns_, entries, forms))]

    def _is_member(self, name: str) -> bool:
        return self.kind is Kind.GROUP and (name.lower() == "member" or RANGE.fullmatch(name) is not None)

    def _add_members(self, key: str, _dn: str, group: GroupParts) -> None:
        if not self._asks_members:
            return
        members = frozenset[str]().union(*map(ad.references, group.members.values()))
        self._items.append(Members(key, members, whole=self._whole))
        self._edges += len(members)
        for match in filter(None, map(RANGE.fullmatch, group.members)):
            if match[2] != "*":
                self.rests.append(MissingMembers(key, int(match[2]) + 1))


def _with_plain_dns(attributes: dict[str, Value]) -> dict[str, Value]:
    for name, value in attributes.items():
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str) and first.startswith("<GUID="):
            attributes[name] = [ad.plain(str(each)) for each in value] if isinstance(value, list) else ad.plain(first)
    return attributes
