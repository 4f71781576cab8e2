"""How long a request waits for its result, if that is not there at once, and how many may wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from usersyncd.plugin import duration

LONGEST_WAIT = timedelta(seconds=50)
"""The longest wait: an answer may take a minute."""
WAIT = {"type": "string", "pattern": "^([1-9]|[1-4][0-9]|50)s$"}
"""The JSON Schema of ``wait``."""

WAITING = 32
"""How many requests may wait for one stream, or with one token."""
ALL_WAITING = 256
"""How many may wait in all: the other requests have as many places."""

RETRY_AFTER = 5
"""Seconds after which a client may ask again, if too many requests wait."""


class FullError(Exception):
    """Too many requests wait already."""


class WaitingRequests:
    """The requests that wait. ``who``: the stream that is read, or the token."""

    def __init__(self) -> None:
        self._of = Counter[str]()

    @contextmanager
    def place(self, who: str, wait: float) -> Iterator[None]:
        """Count a request while it waits; one that does not wait is not counted. Raises FullError."""
        if not wait:
            yield
            return
        if self._of[who] >= WAITING or self._of.total() >= ALL_WAITING:
            raise FullError("too many requests wait already: let one wait at a time")
        self._of[who] += 1
        try:
            yield
        finally:
            self._of[who] -= 1


def wait_of(query: Mapping[str, str]) -> float:
    """The seconds that a request asks for; 0 if it does not wait. Raises ValueError."""
    given = query.get("wait")
    if not given:
        return 0.0
    try:
        wait = duration(given)
    except ValueError as error:
        raise ValueError(f"wait {error}") from None
    if wait > LONGEST_WAIT:
        raise ValueError(f"wait must be at most {LONGEST_WAIT.seconds}s")
    return wait.total_seconds()
