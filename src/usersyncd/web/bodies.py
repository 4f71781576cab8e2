"""The bodies of the API's answers. ``openapi.py`` describes them from these types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from usersyncd.web.results import DeliveryResult, PullResult


class Problem(Struct, frozen=True):
    """Why a request was refused (RFC 9457). ``detail``: a sentence for a person, with what to do."""

    status: int
    title: str
    detail: str


class DirectorySummary(Struct, frozen=True):
    """A directory. ``last_run`` and ``last_success``: when the last pull, and the last one that succeeded, began."""

    directory: str
    connector: str
    users: int
    groups: int
    memberships: int
    last_run: str | None
    last_success: str | None
    status: str | None


class DirectoryList(Struct, frozen=True):
    """All directories of the configuration."""

    directories: Sequence[DirectorySummary]


class EndedRequest(Struct, frozen=True):
    """A pull that was requested and has ended, and the deliveries that followed it. ``pull`` is null if the daemon
    ends before it."""

    pull: PullResult | None
    deliveries: Sequence[DeliveryResult]
    status: Literal["ended"] = "ended"


class RunningRequest(Struct, frozen=True):
    """A pull that was requested goes on: the wait has ended before it."""

    status: Literal["running"] = "running"


class EventPage(Struct, frozen=True):
    """Some events in order. ``cursor``: `after` of the next request. ``more``: there are more events now."""

    epoch: str
    events: list[dict[str, Any]]
    cursor: str
    more: bool


class KeySet(Struct, frozen=True):
    """The public keys that verify Security Event Tokens, as a JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Any]]
