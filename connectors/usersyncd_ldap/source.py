"""The loop: users, then groups, in pages as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.plugin import API, Done, Kind, Page, SourceContext
from usersyncd_ldap.client import Server, connect
from usersyncd_ldap.describe import describe
from usersyncd_ldap.entries import EntryReader
from usersyncd_ldap.mapping import MAPPING
from usersyncd_ldap.options import LdapOptions


class LdapSource:
    """Users, groups and memberships of an LDAP server (RFC 4511). Every pull is complete.

    Records are keyed by entryUUID, so that a rename or a move keeps them. Nothing but the clean end of both searches
    ends a pull: everything else raises SourceError and voids it.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = LdapOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: LdapOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:  # noqa: ARG002 - every pull is complete
        """Read everything. Raises SourceError, naming server and place, when it could not be read to its end."""
        return self._context.blocking(self._pull)

    async def check(self) -> Sequence[str]:
        """Connect, sign in, and say what is there. Raises SourceError as ``pull`` does."""
        return [line async for line in self._context.blocking(self._describe)]

    def _pull(self) -> Iterator[Page | Done]:
        with self._connected() as server:
            yield from self._pages(server, Kind.USER, self._options.users.base, self._options.users.filter)
            yield from self._pages(server, Kind.GROUP, self._options.groups.base, self._options.groups.filter)
        yield Done(cursor=None, complete=True)

    def _pages(self, server: Server, kind: Kind, base: str | None, filterstr: str) -> Iterator[Page]:
        reader = EntryReader(kind, self._context.reads[kind])
        search = server.search(self._options.base if base is None else base, filterstr, reader.asks)
        for _ in search.run(reader.take):
            yield reader.page()
        if search.referrals:
            self._context.log.warning(
                "parts of this directory are on other servers and were not read",
                count=len(search.referrals),
                first=search.referrals[0],
            )

    def _describe(self) -> Iterator[str]:
        with self._connected() as server:
            yield from describe(server, self._options)

    def _connected(self) -> Server:
        options, context = self._options, self._context
        password = None if options.password is None else context.secret(options.password)
        return connect(options, context.folder, password, context.log)
