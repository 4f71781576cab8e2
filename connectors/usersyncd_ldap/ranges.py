"""Reads the members of a large group beyond the first that Active Directory sends (1,500 by default)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ldap
from ldap.controls import RequestControl

from usersyncd.errors import SourceError
from usersyncd.plugin import Members, Page
from usersyncd_ldap import ad
from usersyncd_ldap.adentries import RANGE, MissingMembers
from usersyncd_ldap.client import Server


def rest(server: Server, rest: MissingMembers, controls: Sequence[RequestControl]) -> Iterator[Page]:
    """Request the members from ``rest.start`` on, range by range, until the server marks a range as the last one.

    Raises SourceError when a range is missing: an incomplete group must not look as if it had lost members.
    """
    start: int | None = rest.start
    while start is not None:
        name = f"member;range={start}-*"
        found = server.find(f"<GUID={rest.group}>", "(objectClass=*)", [name], controls, ldap.SCOPE_BASE)
        start, values = _piece(found[0][1] if found else {}, rest, start)
        yield [Members(rest.group, ad.references(values))]


def _piece(entry: dict[str, list[bytes]], rest: MissingMembers, start: int) -> tuple[int | None, list[bytes]]:
    for name, values in entry.items():
        match = RANGE.fullmatch(name)
        if match is None:
            continue
        if match[2] == "*":
            return None, values
        if int(match[1]) == start and int(match[2]) >= start:
            return int(match[2]) + 1, values
    raise SourceError(
        f"the group {rest.group}: the server did not send its members from number {start:,} on",
        "the group may have been deleted or emptied meanwhile: the next run starts again",
    )
