"""The LDAP source: pulls everything, or the changes since the cursor, in pages as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar

from pydantic import BaseModel

from usersyncd.errors import SourceError
from usersyncd.plugin import API, Done, Kind, Listed, Page, Person, SourceContext
from usersyncd_ldap.choice import COMPLETE, choose, strategy_of_cursor
from usersyncd_ldap.client import Server, connect
from usersyncd_ldap.cursor import FORMAT, Cursor, StaleError, decoded, last_position
from usersyncd_ldap.describe import describe
from usersyncd_ldap.mapping import MAPPING
from usersyncd_ldap.options import LdapOptions
from usersyncd_ldap.person import PersonReader
from usersyncd_ldap.position import Position
from usersyncd_ldap.replicas import is_behind, no_current_server, position
from usersyncd_ldap.session import KINDS, Session
from usersyncd_ldap.strategy import PassedPages


class LdapSource:
    """Users, groups and memberships of Active Directory, OpenLDAP, 389 Directory Server and other LDAP servers.

    Records are keyed by the immutable identifier of an entry, so that a rename or a move keeps them. A pull ends only
    after the complete end of every search: everything else raises SourceError and discards it.
    """

    api: ClassVar[int] = API
    Options: ClassVar[type[BaseModel]] = LdapOptions
    mapping: ClassVar[Mapping[Kind, Mapping[str, str]]] = MAPPING

    def __init__(self, options: LdapOptions, context: SourceContext) -> None:
        self._options = options
        self._context = context

    def pull(self, cursor: str | None) -> AsyncIterator[Page | Done]:
        """Read the changes since the cursor if the server reports them, otherwise everything. Raises SourceError, with
        server and operation, when the directory cannot be read to its end."""
        return self._context.blocking(lambda: self._pull(cursor))

    async def person(self, name: str, listed: Listed) -> Person | None:
        """Read one user by id, user name or email. Raises AmbiguousPersonError, SourceError."""
        [found] = [found async for found in self._context.blocking(lambda: self._person(name, listed))]
        return found

    async def check(self) -> Sequence[str]:
        """Connect, sign in, and describe the server. Raises SourceError as ``pull`` does."""
        return [line async for line in self._context.blocking(self._describe)]

    def _person(self, name: str, listed: Listed) -> Iterator[Person | None]:
        with self._session(self._reached(None)) as session, _decoding(session):
            yield PersonReader(session, self._options, self._context.last_cursor).person(name, listed)

    def _pull(self, cursor: str | None) -> Iterator[Page | Done]:
        reached = self._reached(cursor)
        with self._session(reached) as session, _decoding(session):
            yield from self._read(session, cursor, reached)

    def _read(self, session: Session, cursor: str | None, reached: Position | None) -> Iterator[Page | Done]:
        if cursor is not None:
            try:
                yield (yield from self._changes(session, cursor, reached))
            except StaleError as stale:
                self._context.log.info(
                    "reading everything, not only the changes", event_name="ldap.cursor_expired", why=str(stale)
                )
            else:
                return
        yield (yield from self._everything(session))

    def _changes(self, session: Session, text: str, reached: Position | None) -> Generator[Page, None, Done]:
        cursor = decoded(text, session.scope_fingerprint)
        if cursor.position and cursor.position.url not in self._options.urls:
            raise StaleError(f"{cursor.position.url}, which was read last, is no longer in the option url")
        if cursor.strategy == COMPLETE:
            return (yield from self._everything(session))
        strategy = strategy_of_cursor(session, self._options, cursor.strategy)
        if strategy is None:
            raise StaleError(f"the strategy {cursor.strategy} is no longer used")
        session.never = strategy.never
        passed = PassedPages(strategy(session).changes(cursor.state))
        state, complete = yield from passed
        # A domain controller counts more changes than it reports: while it reports none, the last position is still
        # complete.
        here = self._position(session) if passed.any_items or reached is None else None
        now = here.merged_with(reached) if here else reached
        return Done(Cursor(FORMAT, strategy.name, session.scope_fingerprint, state, now).encoded(), complete)

    def _everything(self, session: Session) -> Generator[Page, None, Done]:
        choice = choose(session, self._options)
        strategy = choice.strategy
        session.never = strategy.never if strategy else frozenset()
        for kind in KINDS:
            reader = session.reader(kind)
            yield from session.pages(reader)
            reader.verify()
        now = self._position(session)
        cursor = Cursor(FORMAT, choice.name, session.scope_fingerprint, choice.state, now)
        return Done(cursor.encoded() if strategy or now else None, complete=True)

    def _position(self, session: Session) -> Position | None:
        """The server's position. None: it does not report it, or no other server is configured; but a domain's name may
        refer to any of its controllers."""
        return position(session) if len(self._options.urls) > 1 or session.is_ad else None

    def _reached(self, cursor: str | None) -> Position | None:
        """The position of the server that was read last; None if unknown, or the server is no longer configured."""
        found = last_position(cursor or self._context.last_cursor)
        return found if found and found.url in self._options.urls else None

    @contextmanager
    def _session(self, reached: Position | None) -> Iterator[Session]:
        """A reading of the first server that answers and has all changes of the last position. Raises SourceError."""
        urls = self._options.urls
        while urls:
            with self._connected(urls) as server:
                session = Session(server, self._options, self._context.reads, self._context.log)
                if reached is None or not is_behind(session, reached):
                    yield session
                    return
            urls = urls[urls.index(server.url) + 1 :]
        assert reached is not None  # noqa: S101 - otherwise no server is skipped
        raise no_current_server(reached)

    def _describe(self) -> Iterator[str]:
        with self._session(None) as session:
            yield from describe(session, self._options)

    def _connected(self, urls: Sequence[str]) -> Server:
        options, context = self._options, self._context
        password = None if options.password is None else context.secret(options.password)
        return connect(urls, options, context.folder, password, context.log)


@contextmanager
def _decoding(session: Session) -> Iterator[None]:
    """Turns errors of BER or text, of a control or a DN that violates the protocol, into SourceError."""
    try:
        yield
    except ValueError as error:
        raise SourceError(
            f"{session.server.url}: the server's response cannot be decoded: {error}",
            "check whether a proxy changes it; if this persists, set strategy to complete",
        ) from error
