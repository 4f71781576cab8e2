"""OpenLDAP's syncrepl: finds the changes of users and groups since a cookie, through the overlay syncprov.

The cookie is the server's contextCSN, the same for every search in one database: so a cookie that is requested before a
complete pull, by a search for a single entry, is valid for all later searches. (RFC 4533 guarantees that only for the
same search, so this strategy is not for every server with the control.)

Only new and changed entries are taken from the response: syncprov finds them in the database itself. It finds deletions
in a log, which may have gaps: slapd deletes even when the database of its accesslog is full (``accesslog_response``
ignores it), and counts a deletion before the log has it (both seen on 2.5). It does not name the entries below a moved
unit either. So whenever something changed, all ids are requested: records that are not among them count as deleted.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import ClassVar

import ldap
import msgspec

from usersyncd.plugin import Kind, Page, Present, Record, Unread
from usersyncd_ldap import sync
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.entries import ITEMS
from usersyncd_ldap.faults import error_message
from usersyncd_ldap.operation import result_code
from usersyncd_ldap.replicas import csns
from usersyncd_ldap.session import KINDS, Session
from usersyncd_ldap.strategy import UnfitError

Stream = tuple[Kind, str]
"""The entries of one kind below one base."""
StreamChanges = dict[Stream, tuple[list[Page], str | None]]
"""The pages of each stream, and its last cookie; None: no changes."""

CATCH_UPS = 5
CONTAINERS = "(hasSubordinates=TRUE)"


class Syncrepl:
    """The strategy ``syncrepl`` on OpenLDAP."""

    name: ClassVar[str] = "syncrepl"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bases = sorted({base for scope in session.scopes.values() for base in scope.bases})

    def begin(self) -> tuple[State, str]:
        if sync.REQUEST not in self._session.root.controls:
            raise UnfitError("the server does not support syncrepl: load the overlay syncprov for incremental pulls")
        cookies: dict[str, str] = {}
        for base in self._bases:
            try:
                end = sync.drained(self._refresh(base, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"], b"", _ignore))
            except ldap.LDAPError as error:
                if isinstance(error, ldap.UNAVAILABLE_CRITICAL_EXTENSION):
                    raise UnfitError(f"the database that holds {base} has no overlay syncprov") from error
                raise self._session.server.fault(error, f"requesting a sync cookie at {base!r}") from error
            if end.cookie is None:
                raise UnfitError(f"the server sends no sync cookie for {base}")
            cookies.setdefault(self._session.suffix(base), end.cookie.decode())
        return {"cookies": {**cookies}}, "the overlay syncprov reports changes"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        try:
            cookies = msgspec.convert(state["cookies"], dict[str, str])
        except (KeyError, msgspec.ValidationError) as error:
            raise StaleError("the cursor has no sync cookies") from error
        if set(cookies) != set(self._session.suffixes):
            raise StaleError("the bases have changed")
        after: dict[str, str] = {}
        try:
            for base in self._bases:
                suffix = self._session.suffix(base)
                # The first cookie of a database: changes during the following searches must be reported again next
                # time.
                after.setdefault(suffix, self._check_unmoved(base, cookies[suffix]))
            found = self._round(cookies)
            changed = any(cookie is not None for _, cookie in found.values())
            behind = any(_behind(after[suffix], cookie) for suffix, cookie in cookies.items())
            if behind:
                after = cookies
                self._session.log.warning(
                    "this server lacks changes of another one: no record counts as deleted",
                    event_name="ldap.replica_behind",
                    server=self._session.server.url,
                )
            complete = changed and not behind
            left = {kind: self._existing_ids(kind) for kind in KINDS} if complete else {}
            if complete:
                self._catch_up(after, found)
            if not behind:
                found[Kind.GROUP, self._session.scopes[Kind.GROUP].bases[-1]][0].extend(self._session.dynamic())
        except ldap.LDAPError as error:
            if result_code(error) == sync.REFRESH_REQUIRED or isinstance(error, _REFUSED):
                raise StaleError(f"the server refuses the cookie: {error_message(error)}") from error
            raise self._session.server.fault(error, "reading changes by syncrepl") from error
        for pages, _ in found.values():
            yield from pages
        for kind, ids in left.items():
            for (of, _), (pages, _) in found.items():
                if of is kind:
                    ids -= _sent(pages)
            yield from _in_pages([Present(kind, each) for each in ids])
        return {"cookies": {**after}}, complete

    def _existing_ids(self, kind: Kind) -> set[str]:
        """The ids of all existing entries. Raises SourceError when one has no id, or they cannot be read to their
        end."""
        found: set[str] = set()
        bases = self._session.scopes[kind].bases
        # All bases but the last one twice: an entry that moves from a base that is not read yet to one that was would
        # be in neither.
        for _ in self._session.named(kind, (*bases, *bases[:-1]), lambda name: found.add(name[0])):
            pass
        return found

    def _catch_up(self, since: Mapping[str, str], found: StreamChanges) -> None:
        """Request the changes since ``since`` until there are none: new entries among the ids are not in the pages
        yet."""
        for _ in range(CATCH_UPS):
            more = self._round(since)
            for stream, (pages, _) in more.items():
                found[stream][0].extend(pages)
            if not any(_sent(pages) for pages, _ in more.values()):
                return
            newer: dict[str, str] = {}
            for (_, base), (_, cookie) in more.items():
                suffix = self._session.suffix(base)
                newer.setdefault(suffix, since[suffix] if cookie is None else cookie)
            since = newer

    def _round(self, cookies: Mapping[str, str]) -> StreamChanges:
        """The changes of every stream. They are kept until all are read, because only then it is known whether they can
        be used."""
        streams = [(kind, base) for kind in KINDS for base in self._session.scopes[kind].bases]
        return {stream: self._read(stream, cookies[self._session.suffix(stream[1])]) for stream in streams}

    def _read(self, stream: Stream, cookie: str) -> tuple[list[Page], str | None]:
        kind, base = stream
        reader = self._session.reader(kind)
        pages: list[Page] = []
        filterstr = self._session.scopes[kind].filter

        def take(dn: str, entry: Entry, _identifier: bytes) -> bool:
            return reader.take([(dn, entry)])

        steps = self._refresh(base, ldap.SCOPE_SUBTREE, filterstr, reader.asks, cookie.encode(), take)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                pages.append(reader.page())
                end: sync.Refreshed = stop.value
                return pages, None if end.cookie is None else end.cookie.decode()
            pages.append(reader.page())

    def _check_unmoved(self, base: str, cookie: str) -> str:
        """Check that no entry with subordinates was moved or renamed, which is not reported for these; return the next
        cookie.

        Raises StaleError when that is possible: when such an entry changed and is not new.
        """
        changed: list[tuple[str, str]] = []

        def take(dn: str, entry: Entry, _identifier: bytes) -> bool:
            created = next((values[0].decode() for name, values in entry.items() if values), "")
            changed.append((dn, created))
            return False

        request = (base, ldap.SCOPE_SUBTREE, CONTAINERS, ["createTimestamp"])
        end = sync.drained(self._refresh(*request, cookie.encode(), take))
        since = max((csn[:14] for csn in csns([cookie]).values()), default="")
        for dn, created in changed:
            if created[:14] <= since or not since:
                raise StaleError(
                    f"{dn} was changed, perhaps renamed, and changes of the entries below it are not reported"
                )
        return end.cookie.decode() if end.cookie is not None else cookie

    def _refresh(
        self, base: str, scope: int, filterstr: str, attributes: list[str], cookie: bytes, take: sync.Take
    ) -> Generator[None, None, sync.Refreshed]:
        return sync.refresh(self._session.server, base, scope, filterstr, attributes, cookie, take)


_REFUSED = (ldap.UNWILLING_TO_PERFORM, ldap.PROTOCOL_ERROR, ldap.UNAVAILABLE_CRITICAL_EXTENSION)
"""The errors for a cookie that is newer than the server (which was restored from a backup), no cookie, and no
syncprov."""


def _behind(cookie: str, other: str) -> bool:
    """Whether the server with this cookie lacks changes of another one, as a replica may."""
    here = csns([cookie])
    return any(here.get(server, csn) < csn for server, csn in csns([other]).items())


def _sent(pages: Sequence[Page]) -> set[str]:
    """The ids of complete and unreadable records."""
    return {item.id for page in pages for item in page if isinstance(item, Record | Unread)}


def _ignore(_dn: str, _entry: Entry, _identifier: bytes) -> bool:
    return False


def _in_pages(items: list[Present]) -> Iterator[Page]:
    for at in range(0, len(items), ITEMS):
        yield items[at : at + ITEMS]
