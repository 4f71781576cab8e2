"""Stores which targets refused most changes of a delivery, and since when."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, select, update

from usersyncd.state.moments import as_text
from usersyncd.state.tables import target_names, targets


class Quarantine(Struct, frozen=True):
    """Since when (UTC) a target is quarantined, and what it refused then."""

    since: str
    reason: str


def load(connection: Connection, number: int) -> Quarantine | None:
    """The quarantine of a target; None if there is none."""
    query = select(targets.c.quarantined_at, targets.c.quarantine).where(targets.c.id == number)
    row = connection.execute(query).one_or_none()
    return Quarantine(*row) if row and row.quarantined_at is not None else None


def by_name(connection: Connection) -> dict[str, Quarantine]:
    """The quarantined targets, by their names in the configuration."""
    query = select(target_names.c.name, targets.c.quarantined_at, targets.c.quarantine).join(
        targets, targets.c.id == target_names.c.target
    )
    rows = connection.execute(query.where(targets.c.quarantined_at.is_not(None)))
    return {name: Quarantine(since, reason) for name, since, reason in rows}


def begin(connection: Connection, number: int, reason: str, now: datetime) -> None:
    """Quarantine a target, or renew the reason."""
    known = load(connection, number)
    since = as_text(now) if known is None else known.since
    connection.execute(update(targets).where(targets.c.id == number).values(quarantined_at=since, quarantine=reason))


def end(connection: Connection, number: int) -> None:
    """End the quarantine of a target."""
    connection.execute(update(targets).where(targets.c.id == number).values(quarantined_at=None, quarantine=None))
