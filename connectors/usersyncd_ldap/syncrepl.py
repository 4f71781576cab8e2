"""OpenLDAP's syncrepl: what changed since a cookie, for users and groups each, told by the overlay syncprov.

The cookie is the server's contextCSN, the same for every search in one database: so one that is asked for before a
complete reading, by a search for a single entry, serves all that follow it. (RFC 4533 promises that only for the same
search; that is why this is not for every server that knows the control.)

Only who came or changed is taken from the answer: syncprov finds them in the database itself. Who is gone it finds in
a log, and nobody is told what that has lost. slapd deletes all the same when the database of its accesslog takes no
more (``accesslog_response`` ignores it), and counts a deletion before the log holds it (both seen on 2.5). Nor does it
name those below a unit that was moved away. So whenever something changed, all ids are asked for: who is not among them
is gone.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import ClassVar

import ldap
import msgspec

from usersyncd.plugin import Kind, Page, Present, Record, Unread
from usersyncd_ldap import sync
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.entries import ITEMS, Entry
from usersyncd_ldap.faults import words
from usersyncd_ldap.operation import result_code
from usersyncd_ldap.reading import KINDS, Reading
from usersyncd_ldap.replicas import csns
from usersyncd_ldap.strategy import UnfitError

Stream = tuple[Kind, str]
"""The records of one kind below one base."""
Told = dict[Stream, tuple[list[Page], str | None]]
"""What was told of each, and the cookie that it ended with; None: nothing changed."""

CATCH_UPS = 5
CONTAINERS = "(hasSubordinates=TRUE)"


class Syncrepl:
    """The strategy ``syncrepl`` on OpenLDAP."""

    name: ClassVar[str] = "syncrepl"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._bases = sorted({base for part in reading.parts.values() for base in part.bases})

    def begin(self) -> tuple[State, str]:
        if sync.REQUEST not in self._reading.root.controls:
            raise UnfitError("the server has no syncrepl: load the overlay syncprov to read only what changed")
        cookies: dict[str, str] = {}
        for base in self._bases:
            try:
                end = sync.drained(self._refresh(base, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"], b"", _ignore))
            except ldap.LDAPError as error:
                if isinstance(error, ldap.UNAVAILABLE_CRITICAL_EXTENSION):
                    raise UnfitError(f"the database that holds {base} has no overlay syncprov") from error
                raise self._reading.server.fault(error, f"asking for a sync cookie at {base!r}") from error
            if end.cookie is None:
                raise UnfitError(f"the server gives no sync cookie for {base}")
            cookies.setdefault(self._reading.suffix(base), end.cookie.decode())
        return {"cookies": {**cookies}}, "the overlay syncprov tells what changed"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        try:
            cookies = msgspec.convert(state["cookies"], dict[str, str])
        except (KeyError, msgspec.ValidationError) as error:
            raise StaleError("the cursor has no sync cookies") from error
        if set(cookies) != set(self._reading.suffixes):
            raise StaleError("there are other bases now")
        after: dict[str, str] = {}
        try:
            for base in self._bases:
                suffix = self._reading.suffix(base)
                # The first one of a database: what changes while the others are read must come again next time.
                after.setdefault(suffix, self._unmoved(base, cookies[suffix]))
            told = self._round(cookies)
            changed = any(cookie is not None for _, cookie in told.values())
            behind = any(_behind(after[suffix], cookie) for suffix, cookie in cookies.items())
            if behind:
                after = cookies
                self._reading.log.warning(
                    "this server does not have yet what another one told: nobody is taken for gone",
                    event_name="ldap.replica_behind",
                    server=self._reading.server.url,
                )
            complete = changed and not behind
            left = {kind: self._left(kind) for kind in KINDS} if complete else {}
            if complete:
                self._catch_up(after, told)
            if not behind:
                told[Kind.GROUP, self._reading.parts[Kind.GROUP].bases[-1]][0].extend(self._reading.dynamic())
        except ldap.LDAPError as error:
            if result_code(error) == sync.REFRESH_REQUIRED or isinstance(error, _REFUSED):
                raise StaleError(f"the server does not take the cookie: {words(error)}") from error
            raise self._reading.server.fault(error, "reading changes by syncrepl") from error
        for pages, _ in told.values():
            yield from pages
        for kind, ids in left.items():
            for (of, _), (pages, _) in told.items():
                if of is kind:
                    ids -= _sent(pages)
            yield from _in_pages([Present(kind, each) for each in ids])
        return {"cookies": {**after}}, complete

    def _left(self, kind: Kind) -> set[str]:
        """The ids of all who are there. Raises SourceError when one shows none, or they were not read to their end."""
        found: set[str] = set()
        bases = self._reading.parts[kind].bases
        # All but the last one twice: who moves to a base that was read from one that was not would be in neither.
        for _ in self._reading.named(kind, (*bases, *bases[:-1]), lambda name: found.add(name[0])):
            pass
        return found

    def _catch_up(self, since: Mapping[str, str], told: Told) -> None:
        """Ask for what changed meanwhile, until nothing did: who came was named, but is not known yet."""
        for _ in range(CATCH_UPS):
            more = self._round(since)
            for stream, (pages, _) in more.items():
                told[stream][0].extend(pages)
            if not any(_sent(pages) for pages, _ in more.values()):
                return
            newer: dict[str, str] = {}
            for (_, base), (_, cookie) in more.items():
                suffix = self._reading.suffix(base)
                newer.setdefault(suffix, since[suffix] if cookie is None else cookie)
            since = newer

    def _round(self, cookies: Mapping[str, str]) -> Told:
        """What every stream tells. It is kept until all is read: only then it is known whether it can be used."""
        streams = [(kind, base) for kind in KINDS for base in self._reading.parts[kind].bases]
        return {stream: self._read(stream, cookies[self._reading.suffix(stream[1])]) for stream in streams}

    def _read(self, stream: Stream, cookie: str) -> tuple[list[Page], str | None]:
        kind, base = stream
        reader = self._reading.reader(kind)
        pages: list[Page] = []
        filterstr = self._reading.parts[kind].filter

        def take(dn: str, entry: Entry, _identifier: bytes) -> bool:
            return reader.take(dn, entry)

        steps = self._refresh(base, ldap.SCOPE_SUBTREE, filterstr, reader.asks, cookie.encode(), take)
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                pages.append(reader.page())
                end: sync.Refreshed = stop.value
                return pages, None if end.cookie is None else end.cookie.decode()
            pages.append(reader.page())

    def _unmoved(self, base: str, cookie: str) -> str:
        """See that no entry was moved or renamed with others below it, of which nobody tells; the cookie to go on from.

        Raises StaleError when one may have been: when it changed, and was there before.
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
                raise StaleError(f"{dn} was changed, perhaps renamed, and nobody tells of what is below it")
        return end.cookie.decode() if end.cookie is not None else cookie

    def _refresh(
        self, base: str, scope: int, filterstr: str, attributes: list[str], cookie: bytes, take: sync.Take
    ) -> Generator[None, None, sync.Refreshed]:
        return sync.refresh(self._reading.server, base, scope, filterstr, attributes, cookie, take)


_REFUSED = (ldap.UNWILLING_TO_PERFORM, ldap.PROTOCOL_ERROR, ldap.UNAVAILABLE_CRITICAL_EXTENSION)
"""A cookie that is newer than the server (which was restored from a backup), no cookie at all, and no syncprov."""


def _behind(cookie: str, other: str) -> bool:
    """Whether who gave a cookie lacks changes that another one had, as a replica may."""
    here = csns([cookie])
    return any(here.get(server, csn) < csn for server, csn in csns([other]).items())


def _sent(pages: Sequence[Page]) -> set[str]:
    """The ids of the records that were told whole, or that cannot be read."""
    return {item.id for page in pages for item in page if isinstance(item, Record | Unread)}


def _ignore(_dn: str, _entry: Entry, _identifier: bytes) -> bool:
    return False


def _in_pages(items: list[Present]) -> Iterator[Page]:
    for at in range(0, len(items), ITEMS):
        yield items[at : at + ITEMS]
