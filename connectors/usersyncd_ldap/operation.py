"""One search request, and its answers as they arrive."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import ldap
import ldap.ldapobject
from ldap.controls import RequestControl

SLICE_SECONDS = 1.0
"""Seconds after which a search whose server is silent gives its caller a turn, so that a run can be cancelled."""

Answer = tuple[int, Any, Any]
"""Kind of message (``ldap.RES_…``), what is in it, and the controls of the last one, still encoded."""


def answers(
    connection: ldap.ldapobject.SimpleLDAPObject,
    request: tuple[str, int, str, list[str]],
    controls: Sequence[RequestControl],
    timeout: int,
    *,
    details: bool = False,
) -> Iterator[Answer | None]:
    """The answers to a search (base, scope, filter, attributes); None whenever the server has been silent for a moment.

    The last answer is the only one of kind RES_SEARCH_RESULT. With ``details`` entries come with their own controls,
    and intermediate messages come at all. Raises ldap.LDAPError for anything but success, silence longer than
    ``timeout`` seconds included.
    """
    message = connection.search_ext(*request, serverctrls=list(controls))
    # Beneath result4(), which costs as much again: nobody else uses this connection, so there is nothing to lock.
    receive = connection._l.result4
    more = 1 if details else 0
    silent_since: float | None = None
    while True:
        try:
            # One answer at a time (all=0): cheaper than lists of them, and nothing piles up.
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
    """The number of the server's answer (RFC 4511, section 4.1.9); 0 when there was none."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return int(details.get("result", 0))
