"""How long a record that a target refuses waits before it is sent again."""

from __future__ import annotations

from datetime import timedelta

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (0, 2, 10, 30, 120, 360))
"""The pause after the first refusal in a row, the second, and so on; the last one for all that follow. After the first
there is none: it may depend on what the same delivery wrote later."""


def pause(refusals: int) -> timedelta:
    """The pause after this number of refusals in a row, at least 1."""
    return PAUSES[min(refusals, len(PAUSES)) - 1]
