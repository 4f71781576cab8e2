"""What can go wrong between Google and a client, each to be switched on for itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from datetime import timedelta


@dataclass
class Knob:
    """A fault: for the next ``times`` replies that it fits, after it spared ``spare`` of them; or by ``chance``."""

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
    """Refuse a request: by turns 403 quotaExceeded, 403 userRateLimitExceeded, 429, 503 backendError."""
    cut: Knob = field(default_factory=Knob)
    """Close the connection in the middle of a reply."""
    html: Knob = field(default_factory=Knob)
    """502 with a page of HTML in the place of JSON."""
    html_200: Knob = field(default_factory=Knob)
    """200 with a page of HTML, as a captive portal answers."""
    lose_page: Knob = field(default_factory=Knob)
    """Pass over the next page of a listing; where there is none, answer this one empty. Not for the logs: what they do
    not tell is :attr:`Tenant.reports_miss`."""
    forbid_logs: Knob = field(default_factory=Knob)
    """Refuse to show an audit log: the administrator's role lacks the privilege for reports."""
    repeat_page: Knob = field(default_factory=Knob)
    """Give the token of this very page as that of the next."""
    expire_page_token: Knob = field(default_factory=Knob)
    """Refuse a page token."""
    revoke_token: Knob = field(default_factory=Knob)
    """Refuse an access token that was good until now: it expired midway."""
    skew: timedelta = timedelta(0)
    """How far Google's clock is ahead of this machine's."""
    latency: float = 0.0
    """Seconds that every reply takes."""
    per_minute: int | None = None
    """Requests that the project has in any 60 seconds; above it, 403 userRateLimitExceeded."""
    page_size: int | None = None
    """Items that a page has at the most; None: what was asked for."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def faults(self) -> dict[str, Knob]:
        return {each.name: knob for each in fields(self) if isinstance(knob := getattr(self, each.name), Knob)}
