"""OpenLDAP's syncrepl: what changed since a cookie, for users and groups each, told by the overlay syncprov.

The cookie is the server's contextCSN, the same for every search in one database: so one that is asked for before a
complete reading, by a search for a single entry, serves all that follow it. (RFC 4533 promises that only for the same
search; that is why this is not for every server that knows the control.)
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import ClassVar

import ldap
import msgspec
from msgspec import Struct

from usersyncd.plugin import Gone, Kind, Page, Present, Record, Value
from usersyncd_ldap import sync
from usersyncd_ldap.changed import Hint, changed
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.entries import ITEMS, Entry
from usersyncd_ldap.faults import words
from usersyncd_ldap.operation import result_code
from usersyncd_ldap.reading import KINDS, Reading
from usersyncd_ldap.strategy import UnfitError

Stream = tuple[Kind, str]
"""The records of one kind below one base."""
Told = dict[Stream, tuple[list[Page], sync.Refreshed]]

TRIES = 3
"""A server that has no log tells one part that nothing changed and, had something changed meanwhile, another part what
is left. Asked again, it tells both what is left."""
CATCH_UPS = 5
CONTAINERS = "(hasSubordinates=TRUE)"
_CSN = re.compile(r"csn=(\d{14})|;(\d{14})")


OVERLAP = 5
"""Seconds. The newest cookie is not the one to go on from: slapd counts a change before its accesslog holds it, and
does not tell of a deletion when it is asked in between (seen on 2.5: 26 of 6,000). So a pull goes on from a cookie that
was this old when the last pull began, and is told some things twice."""


class Mark(Struct, frozen=True):
    """The cookies (suffix -> cookie) that were given at a time, in seconds since 1970 by our clock."""

    at: int
    cookies: dict[str, str]


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
        return {"marks": [msgspec.to_builtins(_mark(cookies))]}, "the overlay syncprov tells what changed"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        try:
            marks = msgspec.convert(state["marks"], list[Mark])
            cookies = marks[0].cookies
        except (KeyError, IndexError, msgspec.ValidationError) as error:
            raise StaleError("the cursor has no sync cookies") from error
        if set(cookies) != set(map(self._reading.suffix, self._bases)):
            raise StaleError("there are other bases now")
        after: dict[str, str] = {}
        try:
            for base in self._bases:
                suffix = self._reading.suffix(base)
                # The first one of a database: what changes while the others are read must come again next time.
                after.setdefault(suffix, self._unmoved(base, cookies[suffix]))
            told = self._told(cookies)
            if not _deletes(told):
                self._catch_up(after, told)
        except ldap.LDAPError as error:
            if result_code(error) == sync.REFRESH_REQUIRED or isinstance(error, _REFUSED):
                raise StaleError(f"the server does not take the cookie: {words(error)}") from error
            raise self._reading.server.fault(error, "reading changes by syncrepl") from error
        for pages, _ in told.values():
            yield from pages
        if _deletes(told):
            yield from self._gone(told)
        else:
            for kind in KINDS:
                here = {each for (of, _), (pages, _) in told.items() if of is kind for each in _sent(pages)}
                named = {sync.text(each) for (of, _), (_, end) in told.items() if of is kind for each in end.present}
                yield from _in_pages([Present(kind, each) for each in named - here])
        return {"marks": _overlapping(marks, after)}, not _deletes(told)

    def _told(self, cookies: Mapping[str, str]) -> Told:
        """What every stream tells. It is kept until all is read: only then it is known whether it can be used."""
        for _ in range(TRIES):
            told = self._round(cookies)
            if len({end.deletes for _, end in told.values()}) == 1:
                return told
        raise StaleError("for a part the server told what is gone, for another one what is left")

    def _catch_up(self, since: Mapping[str, str], told: Told) -> None:
        """Ask for what changed during the answers, until nothing did: it was neither told nor named as present, and
        must not look as if it were gone."""
        for _ in range(CATCH_UPS):
            more = self._round(since)
            for stream, (pages, _) in more.items():
                told[stream][0].extend(pages)
            if not any(_sent(pages) for pages, _ in more.values()):
                return
            newer: dict[str, str] = {}
            for (_, base), (_, end) in more.items():
                suffix = self._reading.suffix(base)
                newer.setdefault(suffix, since[suffix] if end.cookie is None else end.cookie.decode())
            since = newer

    def _round(self, cookies: Mapping[str, str]) -> Told:
        streams = [(kind, base) for kind in KINDS for base in self._reading.parts[kind].bases]
        return {stream: self._read(stream, cookies[self._reading.suffix(stream[1])]) for stream in streams}

    def _read(self, stream: Stream, cookie: str) -> tuple[list[Page], sync.Refreshed]:
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
            except StopIteration as end:
                pages.append(reader.page())
                return pages, end.value
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
        since = max((one or other for one, other in _CSN.findall(cookie)), default="")
        for dn, created in changed:
            if created[:14] <= since or not since:
                raise StaleError(f"{dn} was changed, perhaps renamed, and nobody tells of what is below it")
        return end.cookie.decode() if end.cookie is not None else cookie

    def _gone(self, told: Told) -> Iterator[Page]:
        for kind in KINDS:
            of_kind = [each for (of, _), each in told.items() if of is kind]
            gone = {sync.text(each) for _, end in of_kind for each in end.deleted}
            gone -= {each for pages, _ in of_kind for each in _sent(pages)}
            if len(of_kind) > 1:
                # Gone from one base, and in another one since before that was read: only a look can tell.
                yield from changed(self._reading, {each: Hint(whole=True) for each in gone}, _by_id)
            else:
                yield from _in_pages([Gone(kind, each) for each in gone])

    def _refresh(
        self, base: str, scope: int, filterstr: str, attributes: list[str], cookie: bytes, take: sync.Take
    ) -> Generator[None, None, sync.Refreshed]:
        return sync.refresh(self._reading.server, base, scope, filterstr, attributes, cookie, take)


_REFUSED = (ldap.UNWILLING_TO_PERFORM, ldap.PROTOCOL_ERROR, ldap.UNAVAILABLE_CRITICAL_EXTENSION)
"""A cookie that is newer than the server (which was restored from a backup), no cookie at all, and no syncprov."""


def _by_id(identifier: str) -> str:
    return f"(entryUUID={identifier})"


def _mark(cookies: dict[str, str]) -> Mark:
    return Mark(int(time.time()), cookies)


def _overlapping(marks: Sequence[Mark], newest: dict[str, str]) -> list[Value]:
    """The marks that are still needed: the last one that is old enough now, and those after it."""
    now = _mark(newest)
    if marks[-1].cookies != newest:
        marks = [*marks, now]
    # A mark from the future was made before the clock was set back.
    old = [place for place, mark in enumerate(marks) if not now.at - OVERLAP <= mark.at <= now.at]
    return [msgspec.to_builtins(mark) for mark in marks[max(old, default=0) :]]


def _deletes(told: Told) -> bool:
    """Whether those that are gone were named, and not those that are left."""
    return all(end.deletes for _, end in told.values())


def _sent(pages: Sequence[Page]) -> set[str]:
    """The ids of the records that were told whole."""
    return {item.id for page in pages for item in page if isinstance(item, Record)}


def _ignore(_dn: str, _entry: Entry, _identifier: bytes) -> bool:
    return False


def _in_pages(items: list[Gone] | list[Present]) -> Iterator[Page]:
    for at in range(0, len(items), ITEMS):
        yield items[at : at + ITEMS]
