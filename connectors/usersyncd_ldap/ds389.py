"""Finds the changes on a 389 Directory Server through its plugin Content Synchronization and the retro changelog.

The plugin implements RFC 4533 with deviations (seen on 2.3; ``ldap/servers/plugins/sync`` in its source). The end of an
incremental response declares all unnamed entries deleted, but the response does not name unchanged entries: so only
entries that are named as deleted count as deleted. An entry that no longer matches the filter is not named at all, and
a cookie is valid for one base and filter: so this strategy watches the whole suffix, and reads changed entries again.
The server does not detect a changelog that was trimmed beyond the cookie, but its root DSE shows it. And an attribute
from a role or a class of service, such as nsAccountLock, changes without a report about the entries that have it
(:mod:`virtual`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import ldap

from usersyncd.errors import SourceError
from usersyncd.plugin import Page, Value
from usersyncd_ldap import sync, virtual
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.current import ChangeHint, current_pages
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.faults import error_message
from usersyncd_ldap.operation import result_code
from usersyncd_ldap.session import CHUNK, Session
from usersyncd_ldap.strategy import UnfitError

ANY = "(objectClass=*)"

SKEW = timedelta(minutes=1)
"""Maximum difference between the clocks of servers."""


class ContentSync:
    """The strategy ``syncrepl`` on 389 Directory Server."""

    name: ClassVar[str] = "syncrepl"
    never: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._suffixes = session.suffixes

    def begin(self) -> tuple[State, str]:
        if sync.REQUEST not in self._session.root.controls:
            raise UnfitError(
                "the server does not report changes: enable its plugins Retro Changelog (with the attribute "
                "nsuniqueid:targetUniqueId) and Content Synchronization"
            )
        if given := virtual.indirect_class(self._session):
            raise UnfitError(f"{given}, and changes of this attribute are not reported")
        marks = self._marks()
        cookies: dict[str, str] = {}
        for suffix in self._suffixes:
            try:
                # The cookie does not include the scope: it is also valid for the entries below.
                end, _ = self._refresh(suffix, ldap.SCOPE_BASE, b"")
            except ldap.LDAPError as error:
                raise UnfitError(f"the server does not report changes of {suffix}: {error_message(error)}") from error
            cookie = (end.cookie or b"").decode()
            if not cookie.rpartition("#")[2].isdecimal():
                raise UnfitError(f"the server's sync cookie has no change number: {cookie!r}")
            cookies[suffix] = cookie
        return {**marks, "cookies": cookies}, "the plugin Content Synchronization reports changes"

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        cookies = state["cookies"]
        if not isinstance(cookies, dict) or sorted(cookies) != self._suffixes:
            raise StaleError("the suffixes have changed")
        marks = self._marks()
        if state.get("definitions") != marks["definitions"]:
            raise StaleError(
                "a role or a class of service changed, and changes of the entries that have it are not reported"
            )
        after: dict[str, str] = {}
        hints: dict[str, ChangeHint] = {}
        for suffix, cookie in cookies.items():
            self._trust(cookie)
            try:
                end, named = self._refresh(suffix, ldap.SCOPE_SUBTREE, cookie.encode())
            except ldap.LDAPError as error:
                if result_code(error) == sync.REFRESH_REQUIRED or isinstance(
                    error, ldap.UNAVAILABLE_CRITICAL_EXTENSION
                ):
                    raise StaleError(f"the server refuses the cookie: {error_message(error)}") from error
                raise self._session.server.fault(error, "reading changes by syncrepl") from error
            self._check_unmoved(suffix, named, _time(state.get("since")))
            hints.update({each: ChangeHint(whole=True) for each in (*named, *map(unique_id, end.deleted))})
            after[suffix] = cookie if end.cookie is None else end.cookie.decode()
        yield from current_pages(self._session, hints)
        yield from self._session.dynamic()
        return {**marks, "cookies": after}, False

    def _marks(self) -> State:
        """The values that the next pull compares besides the cookies: the server's time, and the roles and classes of
        service."""
        try:
            monitor = self._session.server.read("cn=monitor", ["currentTime"])
        except SourceError:
            monitor = {}  # The account may not read it.
        since = next((values[0].decode() for values in monitor.values()), "")
        return {"since": since, "definitions": virtual.definitions(self._session)}

    def _trust(self, cookie: str) -> None:
        """Raises StaleError when a cookie is older than the changelog's start, or newer than its end."""
        text = cookie.rpartition("#")[2]
        if not text.isdecimal():
            raise StaleError("the cookie has no change number")
        number = int(text)
        first, last = (self._session.root.text(name) for name in ("firstChangeNumber", "lastChangeNumber"))
        if first.isdecimal() and int(first) > number + 1:
            raise StaleError(
                f"the changelog was trimmed: it begins with change {first}, and {number} was the last one read"
            )
        if last.isdecimal() and int(last) < number:
            raise StaleError(f"the changelog ends with change {last}, before {number}: the server was restored")

    def _refresh(self, suffix: str, scope: int, cookie: bytes) -> tuple[sync.Refreshed, list[str]]:
        """The end of a refresh, and the ids of the entries that were sent."""
        named: list[str] = []

        def take(_dn: str, _entry: Entry, identifier: bytes) -> bool:
            named.append(unique_id(identifier))
            return False

        return sync.drained(sync.refresh(self._session.server, suffix, scope, ANY, ["1.1"], cookie, take)), named

    def _check_unmoved(self, suffix: str, ids: Sequence[str], since: datetime | None) -> None:
        """Raises StaleError when an entry with subordinates may have been moved or renamed: the server does not report
        these.

        That is possible unless the entry was created after the last pull. Times have seconds only, and other servers
        other clocks.
        """
        for at in range(0, len(ids), CHUNK):
            wanted = f"(&(numSubordinates=*){self._session.by_id(ids[at : at + CHUNK])})"
            for dn, entry in self._session.server.find(suffix, wanted, ["numSubordinates", "createTimestamp"]):
                found = {name.lower(): values[0].decode() for name, values in entry.items()}
                created = _time(found.get("createtimestamp"))
                is_new = created is not None and since is not None and created > since + SKEW
                # An entry that once had subordinates keeps the attribute.
                if int(found["numsubordinates"]) and not is_new:
                    raise StaleError(
                        f"{dn} was changed, perhaps renamed, and changes of the entries below it are not reported"
                    )


def _time(text: Value) -> datetime | None:
    """Parse the server's generalized time."""
    try:
        return datetime.strptime(str(text), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def unique_id(identifier: bytes) -> str:
    """The UUID of a sync message in the form of nsUniqueId."""
    text = identifier.hex()
    return "-".join(text[at : at + 8] for at in range(0, 32, 8))
