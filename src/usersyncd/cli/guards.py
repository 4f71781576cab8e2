"""The guard of a target, as it is configured now."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from usersyncd.cli import text
from usersyncd.config import TargetConfig
from usersyncd.core.guard import Sort, limit_of
from usersyncd.core.quarantine import PROBE
from usersyncd.state.quarantine import Quarantine
from usersyncd.words import many


def guard_document(target: TargetConfig, due: datetime | None, quarantine: Quarantine | None) -> dict[str, Any]:
    """One target in ``status --json``: its guard, and the next date (``due``) at which it changes without a change in a
    directory; and since when it refuses most changes. A limit that is null is unlimited."""
    guard = target.guard
    limits = {sort.limit: limit and str(limit) for sort in Sort for limit in [limit_of(guard, sort)]}
    rest = {"at_least": guard.at_least, "window": int(guard.window.total_seconds())}
    next_due = None if due is None else due.isoformat()
    return {
        "target": target.name,
        "connector": target.connector,
        "guard": limits | rest,
        "next_due": next_due,
        "quarantine": quarantine,
    }


def quarantine_line(target: str, found: Quarantine) -> RenderableType:
    """``app is quarantined since 2026-03-02 12:00:00: it refused 45 of 60 changes; …``"""
    since = text.local(found.since)
    rest = f"{found.reason}; the next deliveries send {many(PROBE, 'change')} first"
    return text.hanging(f"{target} is quarantined since {since}: ", Text(rest, style="yellow"))


def guard_line(target: TargetConfig) -> RenderableType:
    """``guard of app: deletes 10%, updates unlimited …; at_least 10 objects, window 1 d``"""
    guard = target.guard
    limits = ", ".join(f"{sort.limit} {limit_of(guard, sort) or 'unlimited'}" for sort in Sort)
    rest = f"; at_least {many(guard.at_least, 'object')}, window {text.age(guard.window)}"
    return text.hanging(f"guard of {target.name}: ", Text(limits + rest, style="dim"))
