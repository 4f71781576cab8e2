"""One search request, and its responses as they arrive."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import ldap
import ldap.ldapobject
from ldap.controls import RequestControl

SLICE_SECONDS = 1.0
"""Seconds without a response after which a search yields to its caller, so that a run can be cancelled."""

Answer = tuple[int, Any, Any]
"""Kind of message (``ldap.RES_…``), its content, and its encoded controls."""


def answers(
    connection: ldap.ldapobject.SimpleLDAPObject,
    request: tuple[str, int, str, list[str]],
    controls: Sequence[RequestControl],
    timeout: int,
    *,
    details: bool = False,
) -> Iterator[Answer | None]:
    """The responses to a search (base, scope, filter, attributes); None after each SLICE_SECONDS without a response.

    The last response is the only one of kind RES_SEARCH_RESULT. With ``details`` entries have their controls, and
    intermediate messages are included. Raises ldap.LDAPError for anything but success, also after ``timeout`` seconds
    without a response.
    """
    message = connection.search_ext(*request, serverctrls=list(controls))
    # The method below result4(), which would double the cost: only this thread uses the connection, so no lock is
    # needed.
    receive = connection._l.result4
    more = 1 if details else 0
    silent_since: float | None = None
    while True:
        try:
            # One response at a time (all=0): cheaper than lists, with constant memory.
            kind, found, _, ctrls, *_ = receive(message, 0, SLICE_SECONDS, more, more, 0)
        except ldap.TIMEOUT:
            now = time.monotonic()
            silent_since = silent_since or now - SLICE_SECONDS
            if now - silent_since >= timeout:
                raise
            yield None
            continue
        silent_since = None
        yield kind, found, ctrls
        if kind == ldap.RES_SEARCH_RESULT:
            return


def result_code(error: ldap.LDAPError) -> int:
    """The server's result code (RFC 4511, section 4.1.9); 0 when there was no response."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return int(details.get("result", 0))
