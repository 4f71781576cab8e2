"""The loop: everything, or what changed since the cursor, in pages as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import SourceError
from usersyncd.plugin import API, Done, Kind, Page, SourceContext
from usersyncd_ldap.choice import COMPLETE, choose, fits
from usersyncd_ldap.client import Server, connect
from usersyncd_ldap.cursor import FORMAT, Cursor, StaleError, decoded, remembered
from usersyncd_ldap.describe import describe
from usersyncd_ldap.mapping import MAPPING
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.position import Position
from usersyncd_ldap.reading import KINDS, Reading
from usersyncd_ldap.replicas import behind, is_behind, position
from usersyncd_ldap.strategy import Passing


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
        reached = self._reached(cursor)
        with self._reading(reached) as reading:
            try:
                yield from self._read(reading, cursor, reached)
            except ValueError as error:  # of BER or text: a control or a DN that is not what the protocol says
                raise SourceError(
                    f"{reading.server.url}: what the server sent cannot be read: {error}",
                    "see whether a proxy between changes it; if it stays so, set strategy to complete",
                ) from error

    def _read(self, reading: Reading, cursor: str | None, reached: Position | None) -> Iterator[Page | Done]:
        if cursor is not None:
            try:
                yield (yield from self._changes(reading, cursor, reached))
            except StaleError as stale:
                self._context.log.info(
                    "everything is read, not only what changed", event_name="ldap.cursor_expired", why=str(stale)
                )
            else:
                return
        yield (yield from self._everything(reading))

    def _changes(self, reading: Reading, text: str, reached: Position | None) -> Generator[Page, None, Done]:
        cursor = decoded(text, reading.scope)
        if cursor.position and cursor.position.url not in self._options.urls:
            raise StaleError(f"{cursor.position.url}, which was read last, is not in the option url any more")
        if cursor.strategy == COMPLETE:
            return (yield from self._everything(reading))
        strategy = fits(reading, self._options, cursor.strategy)
        if strategy is None:
            raise StaleError(f"the strategy {cursor.strategy} is not the one to use now")
        reading.never = strategy.never
        passing = Passing(strategy(reading).changes(cursor.state))
        state, complete = yield from passing
        # A domain controller counts more than what it tells: as long as it told nothing, who knew that much knows all.
        here = self._position(reading) if passing.told or reached is None else None
        now = here.onto(reached) if here else reached
        return Done(Cursor(FORMAT, strategy.name, reading.scope, state, now).encoded(), complete)

    def _everything(self, reading: Reading) -> Generator[Page, None, Done]:
        choice = choose(reading, self._options)
        strategy = choice.strategy
        reading.never = strategy.never if strategy else frozenset()
        for kind in KINDS:
            reader = reading.reader(kind)
            yield from reading.pages(reader)
            reader.verify()
        now = self._position(reading)
        cursor = Cursor(FORMAT, choice.name, reading.scope, choice.state, now)
        return Done(cursor.encoded() if strategy or now else None, complete=True)

    def _position(self, reading: Reading) -> Position | None:
        """How far the server is. None: it does not tell, or there is no other one; but the name of a domain stands for
        all of its controllers."""
        return position(reading) if len(self._options.urls) > 1 or reading.is_ad else None

    def _reached(self, cursor: str | None) -> Position | None:
        """How far the server was that was read last; None where nobody knows, or it is not one of ours any more."""
        found = remembered(cursor or self._context.last_cursor)
        return found if found and found.url in self._options.urls else None

    @contextmanager
    def _reading(self, reached: Position | None) -> Iterator[Reading]:
        """A reading of the first server that answers and is not behind what was read last. Raises SourceError."""
        urls = self._options.urls
        while urls:
            with self._connected(urls) as server:
                reading = Reading(server, self._options, self._context.reads, self._context.log)
                if reached is None or not is_behind(reading, reached):
                    yield reading
                    return
            urls = urls[urls.index(server.url) + 1 :]
        assert reached is not None  # noqa: S101 - only then servers are passed over
        raise behind(reached)

    def _describe(self) -> Iterator[str]:
        with self._reading(None) as reading:
            yield from describe(reading, self._options)

    def _connected(self, urls: Sequence[str]) -> Server:
        options, context = self._options, self._context
        password = None if options.password is None else context.secret(options.password)
        return connect(urls, options, context.folder, password, context.log)
