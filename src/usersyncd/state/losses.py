"""Stores losses, attributes that all records of a directory lost in one pull, and their approvals. Such a pull is
discarded until a person approves the losses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update

from usersyncd.core.approvals import Decision, hash_of
from usersyncd.plugin import Kind
from usersyncd.state import counters
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.database import Database
from usersyncd.state.tables import directories, losses


class Loss(Struct, frozen=True):
    """An attribute that no record of a kind has any more, and how many records had it."""

    kind: Kind
    attribute: str
    count: int

    def __str__(self) -> str:
        """``email: 40 users had it, and no user has it now``"""
        return f"{self.attribute}: {self.count} {self.kind}s had it, and no {self.kind} has it now"


class HeldLosses(Struct, frozen=True):
    """The losses for which the last pull of a directory was discarded. ``approval``: the oldest one if all losses were
    approved, even if it has expired; otherwise None."""

    directory: int
    name: str
    since: datetime
    losses: list[Loss]
    approval: Decision | None = None

    @property
    def hash(self) -> str:
        """Identifies the lost attributes."""
        return _hash(self.name, self.losses)


def approved(connection: Connection, directory: int, now: datetime) -> set[str]:
    """The names of the attributes whose loss is approved."""
    rows = connection.execute(select(losses).where(losses.c.directory == directory)).mappings()
    approvals = {row["attribute"]: _approval(row) for row in rows}
    return {name for name, decision in approvals.items() if decision is not None and decision.is_in_force(now)}


def hold(database: Database, directory: int, held: Sequence[Loss], now: datetime) -> None:
    """Store the losses for which a pull was discarded. Approved losses stay: the pull did not count them."""
    here = losses.c.directory == directory
    with database.write() as connection:
        lost = {(NUMBER[loss.kind], loss.attribute): loss.count for loss in held}
        undecided = select(losses.c.kind, losses.c.attribute).where(here, losses.c.decision.is_(None))
        for kind, attribute in _pairs(connection, undecided) - lost.keys():
            connection.execute(delete(losses).where(here, losses.c.kind == kind, losses.c.attribute == attribute))
        known = _pairs(connection, select(losses.c.kind, losses.c.attribute).where(here))
        new = [
            {"directory": directory, "kind": kind, "attribute": attribute, "count": count, "since": now.isoformat()}
            for (kind, attribute), count in lost.items()
            if (kind, attribute) not in known
        ]
        if new:
            connection.execute(insert(losses), new)


def _pairs(connection: Connection, query: Select[Any]) -> set[tuple[int, str]]:
    return {(kind, attribute) for kind, attribute in connection.execute(query)}


def clear(database: Database, directory: int) -> None:
    """Delete the losses of a directory and their approvals, because a pull was saved: an approval counts for one
    pull."""
    here = losses.c.directory == directory
    with database.read() as connection:
        if connection.execute(select(losses.c.attribute).where(here).limit(1)).first() is None:
            return
    with database.write() as connection:
        connection.execute(delete(losses).where(here))


def held_losses(connection: Connection) -> list[HeldLosses]:
    """The losses of all directories, ordered by the directory's name."""
    query = select(losses, directories.c.name).join(directories, directories.c.id == losses.c.directory)
    by_directory: dict[int, HeldLosses] = {}
    approvals: dict[int, list[Decision | None]] = {}
    rows = connection.execute(query.order_by(directories.c.name, losses.c.kind, losses.c.attribute)).mappings()
    for row in rows:
        number, since = row["directory"], datetime.fromisoformat(row["since"])
        held = by_directory.setdefault(number, HeldLosses(number, row["name"], since, []))
        held.losses.append(Loss(KIND[row["kind"]], row["attribute"], row["count"]))
        approvals.setdefault(number, []).append(_approval(row))
    return [_with_approval(held, approvals[number]) for number, held in by_directory.items()]


def _with_approval(held: HeldLosses, approvals: list[Decision | None]) -> HeldLosses:
    known = [approval for approval in approvals if approval is not None]
    if len(known) < len(approvals):
        return held
    oldest = min(known, key=lambda approval: approval.at)
    return HeldLosses(held.directory, held.name, held.since, held.losses, oldest)


def approve(connection: Connection, held: HeldLosses, *, by: str, reason: str | None, now: datetime) -> Decision:
    """Store a person's approval of these losses."""
    number = counters.take(connection, "decision")
    for loss in held.losses:
        connection.execute(
            update(losses)
            .where(
                losses.c.directory == held.directory,
                losses.c.kind == NUMBER[loss.kind],
                losses.c.attribute == loss.attribute,
            )
            .values(decision=number, by=by, at=now.isoformat(), reason=reason)
        )
    return Decision(number, True, by, now, reason, held.hash)


def _approval(row: RowMapping) -> Decision | None:
    if row["decision"] is None:
        return None
    return Decision(row["decision"], True, row["by"], datetime.fromisoformat(row["at"]), row["reason"], "")


def _hash(directory: str, lost: Sequence[Loss]) -> str:
    return hash_of("", directory, (f"{loss.kind} {loss.attribute}" for loss in lost))
