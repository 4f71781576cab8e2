"""DirSync: finds the changes in an Active Directory domain through the replication of domain controllers.

The control is described in MS-ADTS, section 3.1.1.3.4.1.3, and in Microsoft's "Polling for Changes Using the DirSync
Control". It works on a whole naming context, and needs the right Replicating Directory Changes; with the flag
OBJECT_SECURITY any account may use it and gets only what it may see, which normally excludes deletions.
"""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping, Sequence
from typing import ClassVar

import ldap
from ldap.controls import RequestControl

from usersyncd.plugin import Kind, Page
from usersyncd_ldap import ad, ber
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.current import ChangeHint, current_pages
from usersyncd_ldap.cursor import StaleError, State
from usersyncd_ldap.faults import error_message
from usersyncd_ldap.scope import within
from usersyncd_ldap.session import EXTENDED_DN, KINDS, Session
from usersyncd_ldap.strategy import UnfitError

DIRSYNC = "1.2.840.113556.1.4.841"
OBJECT_SECURITY, INCREMENTAL_VALUES = 0x1, 0x80000000
MAX_BYTES = 1 << 20
"""Maximum size of a response before the server splits it."""
ROUNDS = 100_000
"""Maximum responses of one query, before the server counts as endless."""

ADDED, REMOVED = "member;range=1-1", "member;range=0-0"
"""The names of added and removed links with INCREMENTAL_VALUES; they are not ranges of a long attribute."""

STRUCTURAL = frozenset({"name", "parentguid", "objectclass", "isdeleted", "member"})
"""Attributes that change when an entry is created, moved, renamed, deleted or restored; and members that are not
reported one by one."""

PROOF = "(|(objectClass=domainDNS)(&(isDeleted=TRUE)(name=Deleted Objects)))"
"""The domain, and the container of deleted objects. Both always exist: if one is not shown, the account may not see
it."""
CONTAINERS = "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain))"
RECORDS = "(&(|(objectClass=user)(objectClass=group))(!(objectClass=computer)))"
"""By objectClass, the only class information that a tombstone keeps."""

Entries = list[tuple[str, Entry]]


class DirSync:
    """The strategy ``dirsync``. Its cookie is valid on every domain controller of the domain."""

    name: ClassVar[str] = "dirsync"
    never: ClassVar[frozenset[str]] = frozenset({"whenchanged"})  # not replicated, so DirSync does not report it

    def __init__(self, session: Session) -> None:
        self._session = session
        self._domain = session.root.text("defaultNamingContext")

    def begin(self) -> tuple[State, str]:
        for scope in self._session.scopes.values():
            for base in scope.bases:
                if not within(base, self._domain):
                    raise UnfitError(f"DirSync reports {self._domain} only, and {base} is not in it")
        reasons, seen = [], sees_deleted(self._session)
        for flags, right in (
            (0, "it has the right Replicating Directory Changes"),
            (OBJECT_SECURITY, "with the rights that it has"),
        ):
            try:
                shown, cookie = self._ask(flags, b"", PROOF, ["name", "isDeleted"])
            except ldap.LDAPError as error:
                reasons.append(error_message(error))
                continue
            if not shown:
                # Some servers do not refuse an account without rights, but return nothing.
                reasons.append("the server shows nothing")
            elif not seen and not any("isDeleted" in entry for _, entry in shown):
                reasons.append("the account does not see deletions")
            else:
                why = f"the account may use DirSync, {right}, and sees deletions"
                return self._state(flags, cookie, seen=seen), why
        raise UnfitError(
            f"the account cannot use DirSync ({'; '.join(dict.fromkeys(reasons))}): grant it the right Replicating "
            "Directory Changes and, if necessary, Read on the Deleted Objects container"
        )

    def changes(self, state: State) -> Generator[Page, None, tuple[State, bool]]:
        flags, cookie = int(str(state["flags"])), base64.b64decode(str(state["cookie"]))
        if state.get("domain") != self._domain_sid():
            raise StaleError("this is another domain")
        if state["seen"] and not sees_deleted(self._session):
            raise StaleError("the account no longer sees deletions")
        try:
            containers, _ = self._ask(flags, cookie, CONTAINERS, ["name", "objectClass", "isDeleted"])
            records, cookie = self._ask(flags, cookie, RECORDS, self._attributes())
        except ldap.LDAPError as error:
            if isinstance(error, (ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.BUSY, ldap.UNAVAILABLE)):
                raise self._session.server.fault(error, "reading changes by DirSync") from error
            raise StaleError(f"the server refuses the cookie: {error_message(error)}") from error
        for dn, entry in containers:
            if "name" in entry and "objectClass" not in entry and not entry.get("isDeleted"):
                raise StaleError(
                    f"{ad.plain(dn)} was moved or renamed, and changes of the entries below it are not reported"
                )
        yield from current_pages(self._session, self._hints(records))
        return self._state(flags, cookie, seen=bool(state["seen"])), False

    def _state(self, flags: int, cookie: bytes, *, seen: bool) -> State:
        text = base64.b64encode(cookie).decode()
        return {"domain": self._domain_sid(), "flags": flags, "cookie": text, "seen": int(seen)}

    def _domain_sid(self) -> str:
        sid = self._session.server.read(self._domain, ["objectSid"]).get("objectSid")
        return ad.sid(sid[0]) if sid else self._domain

    def _attributes(self) -> list[str]:
        """The attributes to watch: all that are read, used in filters, or change when an entry is created, moved or
        deleted."""
        session = self._session
        if any(session.reads[kind] is None for kind in KINDS):
            return []
        asked = {name for kind in KINDS for name in (*session.reader(kind).asks, *session.scopes[kind].attributes)}
        return sorted(asked | {"name", "parentGUID", "isDeleted", "objectClass", "member"})

    def _hints(self, entries: Sequence[tuple[str, Entry]]) -> Mapping[str, ChangeHint]:
        groups = self._session.scopes[Kind.GROUP]
        hints: dict[str, ChangeHint] = {}
        for dn, entry in entries:
            match = ad.EXTENDED.fullmatch(dn)
            if match is None:
                continue
            hint = hints.setdefault(match[1].lower(), ChangeHint())
            names = {name.lower() for name in entry} - {"objectguid", "instancetype"}
            others = names - {ADDED, REMOVED}
            if "isdeleted" in names and not _first(entry, "isDeleted"):
                raise StaleError(f"{match[3]} was restored, and its restored memberships are not reported")
            if others & STRUCTURAL or (others and not groups.default) or "member" in groups.attributes:
                hint.whole = True
            for name, values in entry.items():
                now, before = (hint.added, hint.removed) if name.lower() == ADDED else (hint.removed, hint.added)
                if name.lower() in (ADDED, REMOVED):
                    now |= ad.references(values)
                    before -= ad.references(values)
        return hints

    def _ask(self, flags: int, cookie: bytes, filterstr: str, attributes: Sequence[str]) -> tuple[Entries, bytes]:
        """All entries that changed since ``cookie`` (empty: all), and the next cookie. Raises LDAPError."""
        found: Entries = []
        for _ in range(ROUNDS):
            control = RequestControl(DIRSYNC, True, _request(flags | INCREMENTAL_VALUES, cookie))
            asked = [control, EXTENDED_DN]
            answer = self._session.server.answers(self._domain, ldap.SCOPE_SUBTREE, filterstr, attributes, asked)
            more = False
            for each in answer:
                if each is None:
                    continue
                kind, data, controls = each
                if kind == ldap.RES_SEARCH_ENTRY:
                    found.append((data[0][0], data[0][1]))
                elif kind == ldap.RES_SEARCH_RESULT:
                    more, cookie = _response(controls)
            # A response without entries may still announce more.
            if not more:
                return found, cookie
        raise ldap.OTHER({"desc": f"DirSync has no end after {ROUNDS:,} responses"})


def sees_deleted(session: Session) -> bool:
    """Whether the account sees the Deleted Objects container with its attributes, which default rights do not allow."""
    domain = session.root.text("defaultNamingContext")
    entry = session.read_shown(f"<WKGUID={DELETED_OBJECTS},{domain}>", ["objectGUID"], SHOW_DELETED)
    return bool(entry)


SHOW_DELETED = RequestControl("1.2.840.113556.1.4.417", True)
DELETED_OBJECTS = "18E2EA80684F11D2B9AA00C04F79F805"
"""The well-known GUID of the Deleted Objects container (MS-ADTS, section 6.1.1.4)."""


def _first(entry: Entry, name: str) -> bytes:
    return next((values[0] for key, values in entry.items() if key.lower() == name.lower() and values), b"")


def _request(flags: int, cookie: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.integer32(flags), ber.integer(MAX_BYTES), ber.tlv(ber.OCTETS, cookie))


def _response(controls: Sequence[tuple[str, int, bytes]]) -> tuple[bool, bytes]:
    """Whether there are more responses, and the cookie."""
    for oid, _, value in controls:
        if oid == DIRSYNC:
            more, _, cookie = ber.sequence(value)
            return ber.number(more[1]) != 0, cookie[1]
    raise ldap.OTHER({"desc": "the server's response has no DirSync control"})
