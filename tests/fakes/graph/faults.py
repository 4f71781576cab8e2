"""The faults, by probability or for the next requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

PASSING = (
    "throttle",
    "throttle_date",
    "throttle_mute",
    "busy",
    "cut",
    "half",
    "html",
    "html_502",
    "token_dies",
    "revoked",
)
"""Faults of one request; the next attempt may succeed.

throttle: 429 with Retry-After in seconds; throttle_date: as a date of the server's clock; throttle_mute: without; busy:
503; cut: the connection breaks in the body; half: half a body that claims to be whole; html: an HTML page with status
200; html_502: with 502; token_dies: the access token has expired; revoked: a claims challenge.
"""
ROUND = ("repeat_page", "replay", "expire_page", "empty_page")
"""Faults of a round. repeat_page: a page comes twice; replay: items of an earlier page come again on a later one;
expire_page: the token of the next page has expired; empty_page: a page without items."""


@dataclass
class Faults:
    """``rate``: fault -> probability of each request. ``coming``: faults of the next requests, in this order."""

    rate: dict[str, float] = field(default_factory=dict)
    coming: deque[str] = field(default_factory=deque)
    clock_skew: float = 0.0
    """Seconds by which the server's clock is ahead."""
    lose_page: tuple[str, int] | None = None
    """The page with this number, from 2, of each complete round of this kind is skipped silently."""
    endless: bool = False
    """No round ever ends."""
    expire_cursor: str | None = None
    """The error for delta tokens: ``gone`` (410 with Location), ``not_found``, ``generation``, ``resync``."""
    units: int | None = None
    """Resource units that are allowed in ten seconds."""
    random: Random = field(default_factory=lambda: Random(1))
    seen: list[str] = field(default_factory=list)
    """The faults that happened."""

    def pick(self, among: Iterable[str]) -> str | None:
        """Choose the fault of this request, or None."""
        choice = None
        if self.coming and self.coming[0] in among:
            choice = self.coming.popleft()
        else:
            for fault in among:
                if fault in self.rate and self.random.random() < self.rate[fault]:
                    choice = fault
                    break
        if choice:
            self.seen.append(choice)
        return choice
