"""Content synchronization (RFC 4533) in the mode refreshOnly: one search that returns the changes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import ldap
from ldap.controls import RequestControl
from msgspec import Struct, field

from usersyncd_ldap import ber
from usersyncd_ldap.attributes import Entry
from usersyncd_ldap.client import Server

Take = Callable[[str, Entry, bytes], bool]
"""Processes an entry and its UUID, and returns whether the search pauses."""

REQUEST = "1.3.6.1.4.1.4203.1.9.1.1"
_STATE, _DONE, _INFO = "1.3.6.1.4.1.4203.1.9.1.2", "1.3.6.1.4.1.4203.1.9.1.3", "1.3.6.1.4.1.4203.1.9.1.4"
_PRESENT, _DELETE = 0, 3
"""Sync states (RFC 4533, section 2.3); the other two, add and modify, come with the entry."""
_ID_SET = 0xA3
"""The kind of Sync Info Message that names entries (RFC 4533, section 2.5)."""

REFRESH_REQUIRED = 4096
"""e-syncRefreshRequired (RFC 4533, section 2.6): the cookie is too old."""


class Refreshed(Struct):
    """The end of a refresh: the UUIDs (16 bytes each) of deleted entries, and the next cookie (None: the old one stays
    valid). Entries that are named as unchanged (RFC 4533, section 3.3.2) are not kept."""

    deleted: list[bytes] = field(default_factory=list)
    cookie: bytes | None = None


def refresh(
    server: Server, base: str, scope: int, filterstr: str, attributes: Sequence[str], cookie: bytes, take: Take
) -> Generator[None, None, Refreshed]:
    """Request the changes since ``cookie`` (empty: everything), and call ``take`` with each changed entry.

    Pauses as a search does. Raises ldap.LDAPError for anything but success.
    """
    mode = ber.integer(1, ber.ENUMERATED)
    value = ber.tlv(ber.SEQUENCE, mode, ber.tlv(ber.OCTETS, cookie) if cookie else b"")
    control = RequestControl(REQUEST, True, value)
    end = Refreshed()
    for answer in server.answers(base, scope, filterstr, attributes, [control]):
        if answer is None:
            yield
            continue
        kind, found, controls = answer
        if kind == ldap.RES_SEARCH_ENTRY:
            dn, entry, own = found[0]
            state, identifier = _state(own)
            if state == _DELETE:
                end.deleted.append(identifier)
            elif state != _PRESENT and take(dn, entry, identifier):
                yield
        elif kind == ldap.RES_INTERMEDIATE:
            oid, message, *_ = found[0]
            if oid == _INFO:
                _info(message, end)
        elif kind == ldap.RES_SEARCH_RESULT:
            _done(controls, end)
    return end


def drained(steps: Generator[None, None, Refreshed]) -> Refreshed:
    """Run a short refresh to its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: Refreshed = end.value
            return value


def _state(controls: Sequence[tuple[str, int, bytes]]) -> tuple[int, bytes]:
    for oid, _, value in controls:
        if oid == _STATE:
            state, identifier, *_ = ber.sequence(value)
            return ber.number(state[1]), identifier[1]
    raise ldap.PROTOCOL_ERROR({"desc": "the server sent an entry without its sync state (RFC 4533, section 2.3)"})


def _info(message: bytes, end: Refreshed) -> None:
    ((tag, content),) = ber.elements(message)
    if tag == _ID_SET:
        deletes, identifiers = False, b""
        for inner, part in ber.elements(content):
            if inner == ber.BOOLEAN:
                deletes = part != b"\0"
            elif inner == _SET:
                identifiers = part
        if deletes:
            end.deleted.extend(each for _, each in ber.elements(identifiers))


_SET = 0x31


def _done(controls: Sequence[tuple[str, int, bytes]], end: Refreshed) -> None:
    for oid, _, value in controls:
        if oid == _DONE:
            for tag, part in ber.sequence(value):
                if tag == ber.OCTETS:
                    end.cookie = part
            return
    raise ldap.PROTOCOL_ERROR({"desc": "the server ended without a sync done control (RFC 4533, section 2.4)"})
