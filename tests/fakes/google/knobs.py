"""Faults between Google and a client; each can be switched on separately."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from datetime import timedelta


@dataclass
class Knob:
    """A fault of the next ``times`` matching replies, after the first ``spare`` ones; or with probability
    ``chance``."""

    times: int = 0
    spare: int = 0
    chance: float = 0.0
    hits: int = 0

    def strikes(self, dice: random.Random) -> bool:
        """Whether the fault happens now."""
        if self.times and self.spare:
            self.spare -= 1
            return False
        if self.times:
            self.times -= 1
        elif not (self.chance and dice.random() < self.chance):
            return False
        self.hits += 1
        return True


@dataclass
class Knobs:
    """All faults, off. Those of the tenant (lag of Reports and of replicas) are in :class:`Tenant`."""

    seed: int = 0
    throttle: Knob = field(default_factory=Knob)
    """Refuse a request, in turn with 403 quotaExceeded, 403 userRateLimitExceeded, 429, 503 backendError."""
    cut: Knob = field(default_factory=Knob)
    """Close the connection in the middle of a reply."""
    html: Knob = field(default_factory=Knob)
    """502 with an HTML page instead of JSON."""
    html_200: Knob = field(default_factory=Knob)
    """200 with an HTML page, as from a captive portal."""
    lose_page: Knob = field(default_factory=Knob)
    """Skip the next page of a listing; if there is none, send this one empty. Not for the logs: see
    :attr:`Tenant.reports_miss`."""
    forbid_logs: Knob = field(default_factory=Knob)
    """Refuse to show an audit log: the administrator's role lacks the privilege for reports."""
    repeat_page: Knob = field(default_factory=Knob)
    """Send the token of the current page as that of the next page."""
    expire_page_token: Knob = field(default_factory=Knob)
    """Refuse a page token."""
    revoke_token: Knob = field(default_factory=Knob)
    """Reject a valid access token, as if it had expired."""
    skew: timedelta = timedelta(0)
    """Difference of Google's clock to this machine's."""
    latency: float = 0.0
    """Delay of every reply, in seconds."""
    per_minute: int | None = None
    """Requests in any 60 seconds; above that, 403 userRateLimitExceeded."""
    page_size: int | None = None
    """Maximum items of a page; None: as requested."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def faults(self) -> dict[str, Knob]:
        return {each.name: knob for each in fields(self) if isinstance(knob := getattr(self, each.name), Knob)}
