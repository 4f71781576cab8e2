"""The loop: everything, or what changed since the cursor, in pages as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import SourceError
from usersyncd.plugin import API, Done, Kind, Page, SourceContext
from usersyncd_ldap.choice import choose, fits
from usersyncd_ldap.client import Server, connect
from usersyncd_ldap.cursor import FORMAT, Cursor, StaleError, decoded
from usersyncd_ldap.describe import describe
from usersyncd_ldap.mapping import MAPPING
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.reading import KINDS, Reading


class LdapSource:
    """Users, groups and memberships of Active Directory, OpenLDAP, 389 Directory Server and other LDAP servers.

    Records are keyed by what identifies an entry for life, so that a rename or a move keeps them. Nothing but the clean
    end of every search ends a pull: everything else raises SourceError and voids it.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = LdapOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: LdapOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read what changed since the cursor where the server can tell, and everything where it cannot. Raises
        SourceError, naming server and place, when it could not be read to its end."""
        return self._context.blocking(lambda: self._pull(cursor))

    async def check(self) -> Sequence[str]:
        """Connect, sign in, and say what is there. Raises SourceError as ``pull`` does."""
        return [line async for line in self._context.blocking(self._describe)]

    def _pull(self, cursor: str | None) -> Iterator[Page | Done]:
        with self._connected() as server:
            try:
                yield from self._read(self._reading(server), cursor)
            except ValueError as error:  # of BER or text: a control or a DN that is not what the protocol says
                raise SourceError(
                    f"{server.url}: what the server sent cannot be read: {error}",
                    "see whether a proxy between changes it; if it stays so, set strategy to complete",
                ) from error

    def _read(self, reading: Reading, cursor: str | None) -> Iterator[Page | Done]:
        if cursor is not None:
            try:
                yield (yield from self._changes(reading, cursor))
            except StaleError as stale:
                self._context.log.info("everything is read, not only what changed", why=str(stale))
            else:
                return
        yield (yield from self._everything(reading))

    def _changes(self, reading: Reading, text: str) -> Generator[Page, None, Done]:
        cursor = decoded(text, reading.scope)
        strategy = fits(reading, self._options, cursor.strategy)
        if strategy is None:
            raise StaleError(f"the strategy {cursor.strategy} is not the one to use now")
        reading.never = strategy.never
        state, complete = yield from strategy(reading).changes(cursor.state)
        return Done(Cursor(FORMAT, strategy.name, reading.scope, state).encoded(), complete)

    def _everything(self, reading: Reading) -> Generator[Page, None, Done]:
        choice = choose(reading, self._options)
        strategy = choice.strategy
        reading.never = strategy.never if strategy else frozenset()
        for kind in KINDS:
            reader = reading.reader(kind)
            yield from reading.pages(reader)
            reader.verify()
        cursor = Cursor(FORMAT, strategy.name, reading.scope, choice.state).encoded() if strategy else None
        return Done(cursor, complete=True)

    def _describe(self) -> Iterator[str]:
        with self._connected() as server:
            yield from describe(self._reading(server), self._options)

    def _reading(self, server: Server) -> Reading:
        return Reading(server, self._options, self._context.reads, self._context.log)

    def _connected(self) -> Server:
        options, context = self._options, self._context
        password = None if options.password is None else context.secret(options.password)
        return connect(options, context.folder, password, context.log)
