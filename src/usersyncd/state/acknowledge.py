"""Writing down what a target acknowledged: what it holds now, and the journal, in one transaction a batch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.digest import digest, encode, pack
from usersyncd.plugin import Change, Kind, Layout, Op, Outcome
from usersyncd.state import delivered, journal
from usersyncd.state.database import Database
from usersyncd.state.delivered import Acknowledged
from usersyncd.state.planned import Planned
from usersyncd.state.spool import NUMBER
from usersyncd.state.tables import delivered as delivered_table


class Answer(Struct, frozen=True):
    """A step, and the target's answer to it, which was no error."""

    step: Planned
    outcome: Outcome


class Acknowledger:
    """For one run and one target; ``now`` is when its leavers leave. Its calls must follow one another."""

    def __init__(
        self, database: Database, run: str, target: str, layouts: Mapping[Kind, Layout], now: datetime, first: int
    ) -> None:
        """``first``: the number of the run's next entry in the journal."""
        self._database = database
        self._run = run
        self._target = target
        self._keys = {kind: layout.key for kind, layout in layouts.items()}
        self._now = now
        self.next = first

    def write(self, answers: Sequence[Answer]) -> None:
        """Write a batch. Raises StateError."""
        if not answers:
            return
        changes = [change for answer in answers if (change := _done(answer)) is not None]
        with self._database.write() as connection:
            self._records(connection, answers)
            self._members(connection, answers)
            journal.write(connection, self._run, self.next, ((self._target, change) for change in changes))
        self.next += len(changes)

    def _records(self, connection: Connection, answers: Iterable[Answer]) -> None:
        held: list[Acknowledged] = []
        gone: list[int] = []
        quiet: list[dict[str, object]] = []
        for answer in answers:
            step, change = answer.step, answer.step.change
            if change is None:
                quiet.append({"which": step.ref, "since": self._now.isoformat() if step.left else None})
            elif change.op is Op.DELETE:
                gone.append(step.ref)
            elif change.after is not None:
                held.append(self._held(step, change, change.after))
                if step.takes is not None:
                    gone.append(step.takes)
        if quiet:
            connection.execute(
                update(delivered_table)
                .where(delivered_table.c.target == self._target, delivered_table.c.ref == bindparam("which"))
                .values(left_at=bindparam("since")),
                quiet,
            )
        delivered.acknowledge(connection, self._target, held, gone)

    def _held(self, step: Planned, change: Change, shape: Mapping[str, object]) -> Acknowledged:
        text = encode(shape)
        return Acknowledged(
            ref=step.ref,
            kind=NUMBER[change.kind],
            key=encode(shape[self._keys[change.kind]]).decode(),
            digest=digest(text),
            active=shape.get("active") is not False,
            left_at=self._now if step.left else None,
            shape=text.decode(),
        )

    def _members(self, connection: Connection, answers: Iterable[Answer]) -> None:
        changed = [answer for answer in answers if answer.step.members]
        if not changed:
            return
        refs = list({answer.step.ref for answer in changed})
        held = {ref: set(members) for ref, members in delivered.members(connection, self._target, refs).items()}
        for answer in changed:
            step, change = answer.step, answer.step.change
            members = held.setdefault(step.ref, set())
            if change is None:
                continue
            done = {
                ref
                for ref, member in zip(step.members, change.members, strict=True)
                if member.id not in answer.outcome.refused
            }
            if change.op is Op.ADD:
                members |= done
            else:
                members -= done
        rows = ((ref, pack(array("I", sorted(members)))) for ref, members in held.items())
        delivered.acknowledge_members(connection, self._target, rows)


def _done(answer: Answer) -> Change | None:
    """The change, as far as it was not refused; None when there is nothing to tell of."""
    change, refused = answer.step.change, answer.outcome.refused
    if change is None or not refused:
        return change
    members = tuple(member for member in change.members if member.id not in refused)
    return structs.replace(change, members=members) if members else None
