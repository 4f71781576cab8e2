"""Dynamic groups (draft-haripriya-dynamicgroup): their members are the results of a search. Members change without a
change of the group, so no change feed reports them."""

from __future__ import annotations

from collections.abc import Iterator

import ldap
from ldapurl import LDAPUrl

from usersyncd.errors import SourceError
from usersyncd.plugin import Kind, Members, Page, Unread
from usersyncd_ldap import dn as dns
from usersyncd_ldap.attributes import Lot
from usersyncd_ldap.client import Server
from usersyncd_ldap.entries import Dynamic
from usersyncd_ldap.faults import error_message
from usersyncd_ldap.search import Search

_REFUSED = (ldap.NO_SUCH_OBJECT, ldap.FILTER_ERROR, ldap.INVALID_DN_SYNTAX, ldap.INSUFFICIENT_ACCESS, ldap.REFERRAL)
"""Errors of a single search; other searches may succeed."""


def members(server: Server, group: Dynamic) -> Iterator[Page]:
    """All members of a group. Pauses with empty pages. A group with an invalid URL keeps its members and is
    reported."""
    found: list[bytes] = []

    def take(lot: Lot) -> bool:
        found.extend(dn.encode() for dn, _ in lot)
        return False

    for number, url in enumerate(group.urls, 1):
        try:
            for _ in _search(server, url).run(take):
                yield []
        except ValueError as error:
            yield [_unread(group, number, str(error))]
            return
        except SourceError as error:
            if not isinstance(error.__cause__, _REFUSED):
                raise
            yield [_unread(group, number, error_message(error.__cause__))]
            return
    yield [Members(group.id, group.members | dns.handles(found), whole=True)]


def _search(server: Server, text: bytes) -> Search:
    """The search of a URL. Raises ValueError with the reason when the URL is not a search on this server."""
    url = LDAPUrl(text.decode())
    if url.hostport:
        raise ValueError(f"it refers to the server {url.hostport}")
    scope = ldap.SCOPE_BASE if url.scope is None else url.scope
    return server.search(url.dn, url.filterstr or "(objectClass=*)", ["1.1"], scope=scope)


def _unread(group: Dynamic, number: int, why: str) -> Unread:
    return Unread(
        Kind.GROUP,
        group.id,
        f"URL {number} of the dynamic group {group.dn} cannot be used: {why}\n  → correct memberURL of the group: "
        "ldap:///BASE??sub?(FILTER), in a part of this server that usersyncd's account may search",
    )
