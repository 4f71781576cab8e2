"""What changed on a 389 Directory Server, told by its plugin Content Synchronization from the retro changelog.

It speaks RFC 4533 with deviations (seen on 2.3; ``ldap/servers/plugins/sync`` in its source). The end of an
incremental answer says that whatever was not named is gone, but names nobody who is unchanged: taken at its word,
everybody would be. So only what is named as deleted is. An entry that no longer fits the filter is not named at all,
and the cookie holds for one base and filter: so the whole suffix is watched, and what changed is read again. Nor does
the server notice when the changelog was trimmed beyond the cookie; its root DSE tells. And an attribute that a role or
a class of service gives, such as nsAccountLock, changes without a word about those who have it (:mod:`virtual`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import ldap

from usersyncd.errors import SourceError
from usersyncd.plugin import Page, Value
from usersyncd_ldap import sync, virtual
from usersyncd_ldap.changed import Hint, changed
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.entries import Entry
from usersyncd_ldap.faults import words
from usersyncd_ldap.operation import result_code
from usersyncd_ldap.reading import CHUNK, Reading
from usersyncd_ldap.strategy import UnfitError

ANY = "(objectClass=*)"

SKEW = timedelta(minutes=1)
"""By how much the clocks of servers may differ."""


class ContentSync:
    """The strategy ``syncrepl`` on 389 Directory Server."""

    name: ClassVar[str] = "syncrepl"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._suffixes = reading.suffixes

    def begin(self) -> tuple[State, str]:
        if sync.REQUEST not in self._reading.root.controls:
            raise UnfitError(
                "the server tells no changes: enable its plugins Retro Changelog (with the attribute "
                "nsuniqueid:targetUniqueId) and Content Synchronization"
            )
        if given := virtual.given_by_others(self._reading):
            raise UnfitError(f"{given}, and nobody tells of those who have it")
        marks = self._marks()
        cookies: dict[str, str] = {}
        for suffix in self._suffixes:
            try:
                # The scope is no part of the cookie: it is good for what is below this entry as well.
                end, _ = self._refresh(suffix, ldap.SCOPE_BASE, b"")
            except ldap.LDAPError as error:
                raise UnfitError(f"the server tells no changes of {suffix}: {words(error)}") from error
            cookie = (end.cookie or b"").decode()
            if not cookie.rpartition("#")[2].isdecimal():
                raise UnfitError(f"the server's sync cookie has no change number: {cookie!r}")
            cookies[suffix] = cookie
        return {**marks, "cookies": cookies}, "the plugin Content Synchronization tells what changed"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        cookies = state["cookies"]
        if not isinstance(cookies, dict) or sorted(cookies) != self._suffixes:
            raise StaleError("there are other suffixes now")
        marks = self._marks()
        if state.get("definitions") != marks["definitions"]:
            raise StaleError("a role or a class of service changed, and nobody tells of those who have it")
        after: dict[str, str] = {}
        hints: dict[str, Hint] = {}
        for suffix, cookie in cookies.items():
            self._trust(cookie)
            try:
                end, named = self._refresh(suffix, ldap.SCOPE_SUBTREE, cookie.encode())
            except ldap.LDAPError as error:
                if result_code(error) == sync.REFRESH_REQUIRED or isinstance(
                    error, ldap.UNAVAILABLE_CRITICAL_EXTENSION
                ):
                    raise StaleError(f"the server does not take the cookie: {words(error)}") from error
                raise self._reading.server.fault(error, "reading changes by syncrepl") from error
            self._unmoved(suffix, named, _time(state.get("since")))
            hints.update({each: Hint(whole=True) for each in (*named, *map(unique_id, end.deleted))})
            after[suffix] = cookie if end.cookie is None else end.cookie.decode()
        yield from changed(self._reading, hints)
        yield from self._reading.dynamic()
        return {**marks, "cookies": after}, False

    def _marks(self) -> State:
        """What is compared the next time, besides the cookies: the server's time, and what roles and classes of service
        are."""
        try:
            monitor = self._reading.server.read("cn=monitor", ["currentTime"])
        except SourceError:
            monitor = {}  # It is not for this account.
        since = next((values[0].decode() for values in monitor.values()), "")
        return {"since": since, "definitions": virtual.definitions(self._reading)}

    def _trust(self, cookie: str) -> None:
        """Raises StaleError when the changelog no longer reaches back to a cookie, or does not yet reach it."""
        text = cookie.rpartition("#")[2]
        if not text.isdecimal():
            raise StaleError("the cookie has no change number")
        number = int(text)
        first, last = (self._reading.root.text(name) for name in ("firstChangeNumber", "lastChangeNumber"))
        if first.isdecimal() and int(first) > number + 1:
            raise StaleError(
                f"the changelog was trimmed: it begins with change {first}, and {number} was the last one read"
            )
        if last.isdecimal() and int(last) < number:
            raise StaleError(f"the changelog ends with change {last}, before {number}: the server was restored")

    def _refresh(self, suffix: str, scope: int, cookie: bytes) -> tuple[sync.Refreshed, list[str]]:
        """How a refresh ended, and the ids of the entries that were sent."""
        named: list[str] = []

        def take(_dn: str, _entry: Entry, identifier: bytes) -> bool:
            named.append(unique_id(identifier))
            return False

        return sync.drained(sync.refresh(self._reading.server, suffix, scope, ANY, ["1.1"], cookie, take)), named

    def _unmoved(self, suffix: str, ids: Sequence[str], since: datetime | None) -> None:
        """Raises StaleError when an entry with others below it may have been moved or renamed: nobody tells of them.

        It may, unless it was made after the last pull. Times have seconds only, and other servers other clocks.
        """
        for at in range(0, len(ids), CHUNK):
            wanted = f"(&(numSubordinates=*){self._reading.by_id(ids[at : at + CHUNK])})"
            for dn, entry in self._reading.server.find(suffix, wanted, ["numSubordinates", "createTimestamp"]):
                found = {name.lower(): values[0].decode() for name, values in entry.items()}
                created = _time(found.get("createtimestamp"))
                is_new = created is not None and since is not None and created > since + SKEW
                # Who once had others below it keeps the attribute.
                if int(found["numsubordinates"]) and not is_new:
                    raise StaleError(f"{dn} was changed, perhaps renamed, and nobody tells of what is below it")


def _time(text: Value) -> datetime | None:
    """Generalized time as the server writes it."""
    try:
        return datetime.strptime(str(text), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def unique_id(identifier: bytes) -> str:
    """The UUID of a sync message as nsUniqueId has it."""
    text = identifier.hex()
    return "-".join(text[at : at + 8] for at in range(0, 32, 8))
