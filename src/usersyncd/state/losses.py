"""Stores the attributes for which a pull was discarded, because all records of a directory lost them, and the approvals
of these losses."""

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
    """An attribute that no record of a kind has any more, and how many had it."""

    kind: Kind
    attribute: str
    count: int

    def __str__(self) -> str:
        """``email: 40 users had it, and no user has it now``"""
        return f"{self.attribute}: {self.count} {self.kind}s had it, and no {self.kind} has it now"


class HeldLosses(Struct, frozen=True):
    """The losses for which the last pull of a directory was discarded. ``approval``: the one of all of them, also if it
    is not in force any more."""

    directory: int
    name: str
    since: datetime
    losses: list[Loss]
    approval: Decision | None = None

    @property
    def hash(self) -> str:
        """The hash of the lost attributes."""
        return _hash(self.name, self.losses)


def approved(connection: Connection, directory: int, now: datetime) -> set[str]:
    """The names of the attributes whose loss is approved."""
    rows = connection.execute(select(losses).where(losses.c.directory == directory)).mappings()
    found = {row["attribute"]: _approval(row) for row in rows}
    return {name for name, decision in found.items() if decision is not None and decision.is_in_force(now)}


def hold(database: Database, directory: int, found: Sequence[Loss], now: datetime) -> None:
    """Store the losses for which a pull was discarded. What is approved stays approved: the pull did not count it."""
    mine = losses.c.directory == directory
    with database.write() as connection:
        lost = {(NUMBER[one.kind], one.attribute): one.count for one in found}
        open_ = select(losses.c.kind, losses.c.attribute).where(mine, losses.c.decision.is_(None))
        for kind, attribute in _pairs(connection, open_) - lost.keys():
            connection.execute(delete(losses).where(mine, losses.c.kind == kind, losses.c.attribute == attribute))
        known = _pairs(connection, select(losses.c.kind, losses.c.attribute).where(mine))
        new = [
            {"directory": directory, "kind": kind, "attribute": attribute, "count": count, "since": now.isoformat()}
            for (kind, attribute), count in lost.items()
            if (kind, attribute) not in known
        ]
        if new:
            connection.execute(insert(losses), new)


def _pairs(connection: Connection, query: Select[Any]) -> set[tuple[int, str]]:
    return {(kind, attribute) for kind, attribute in connection.execute(query)}


def let_go(database: Database, directory: int) -> None:
    """Store that a pull was saved: an approval counts once."""
    mine = losses.c.directory == directory
    with database.read() as connection:
        if connection.execute(select(losses.c.attribute).where(mine).limit(1)).first() is None:
            return
    with database.write() as connection:
        connection.execute(delete(losses).where(mine))


def held_losses(connection: Connection) -> list[HeldLosses]:
    """Everything for which pulls are discarded, by the directories' names."""
    query = select(losses, directories.c.name).join(directories, directories.c.id == losses.c.directory)
    found: dict[int, HeldLosses] = {}
    decisions: dict[int, list[Decision | None]] = {}
    rows = connection.execute(query.order_by(directories.c.name, losses.c.kind, losses.c.attribute)).mappings()
    for row in rows:
        number, since = row["directory"], datetime.fromisoformat(row["since"])
        one = found.setdefault(number, HeldLosses(number, row["name"], since, []))
        one.losses.append(Loss(KIND[row["kind"]], row["attribute"], row["count"]))
        decisions.setdefault(number, []).append(_approval(row))
    return [_with_approval(one, decisions[number]) for number, one in found.items()]


def _with_approval(one: HeldLosses, decisions: list[Decision | None]) -> HeldLosses:
    known = [decision for decision in decisions if decision is not None]
    if len(known) < len(decisions):
        return one
    oldest = min(known, key=lambda decision: decision.at)
    return HeldLosses(one.directory, one.name, one.since, one.losses, oldest)


def approve(connection: Connection, one: HeldLosses, *, by: str, reason: str | None, now: datetime) -> Decision:
    """Store a person's approval of these losses."""
    number = counters.take(connection, "decision")
    for loss in one.losses:
        connection.execute(
            update(losses)
            .where(
                losses.c.directory == one.directory,
                losses.c.kind == NUMBER[loss.kind],
                losses.c.attribute == loss.attribute,
            )
            .values(decision=number, by=by, at=now.isoformat(), reason=reason)
        )
    return Decision(number, True, by, now, reason, one.hash)


def _approval(row: RowMapping) -> Decision | None:
    if row["decision"] is None:
        return None
    return Decision(row["decision"], True, row["by"], datetime.fromisoformat(row["at"]), row["reason"], "")


def _hash(directory: str, lost: Sequence[Loss]) -> str:
    return hash_of("", directory, (f"{one.kind} {one.attribute}" for one in lost))
