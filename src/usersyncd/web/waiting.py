"""How long a request waits for its result, if that is not there at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from usersyncd.plugin import duration

LONGEST_WAIT = timedelta(seconds=50)
"""The longest wait: an answer may take a minute."""
WAIT = {"type": "string", "pattern": "^([1-9]|[1-4][0-9]|50)s$"}
"""The JSON Schema of ``wait``."""


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
