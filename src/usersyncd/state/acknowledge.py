"""Writing down what a target is given, before, and what it acknowledged, after, with the journal.

A target may write a change and the process end before it hears of it. What was given without an answer is in doubt: the
next plan tells it again, whatever the directory says by then, so a leaver of that moment is not forgotten in the
target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, update

from usersyncd.core.digest import digest, encode
from usersyncd.plugin import Change, Kind, Layout, Op, Outcome, Value
from usersyncd.state import delivered, journal
from usersyncd.state.database import Database
from usersyncd.state.delivered import Acknowledged, Membership
from usersyncd.state.lock import Lock
from usersyncd.state.planned import Planned
from usersyncd.state.spool import NUMBER
from usersyncd.state.tables import delivered as delivered_table


class Answer(Struct, frozen=True, gc=False):
    """A step, and the target's answer to it. A step that the target need not know is answered by itself."""

    step: Planned
    outcome: Outcome


class Acknowledger:
    """For one run and one target; ``now`` is when its leavers leave. Its calls must follow one another."""

    def __init__(
        self,
        database: Database,
        lock: Lock,
        run: str,
        target: str,
        layouts: Mapping[Kind, Layout],
        now: datetime,
        first: int,
    ) -> None:
        """``lock`` is the run's; ``first``: the number of the run's next entry in the journal."""
        self._database = database
        self._lock = lock
        self._run = run
        self._target = target
        self._keys = {kind: layout.key for kind, layout in layouts.items()}
        self._now = now
        self._told: dict[int, str] = {}
        """The shapes, as JSON, of what was announced and not answered yet, by ref."""
        self.next = first

    def write(self, answers: Sequence[Answer], given: Sequence[Planned]) -> None:
        """Write the answers to one batch, and that the next one is ``given`` now. Raises StateError."""
        if not answers and not given:
            return
        self._lock.verify()
        done = [(answer.step.ref, change) for answer in answers if (change := _done(answer)) is not None]
        with self._database.write() as connection:
            # A group's members before the group: what is gone is gone with everything.
            self._members(connection, answers, given)
            self._answered(connection, answers)
            texts = (self._text(ref, change) for ref, change in done)
            changes = (change for _, change in done)
            journal.write(connection, self._run, self._target, self.next, changes, texts)
            self._given(connection, given)
        self.next += len(done)

    # ---- before

    def _given(self, connection: Connection, steps: Iterable[Planned]) -> None:
        doubtful: list[int] = []
        moving: list[Acknowledged] = []
        for step in steps:
            change = step.change
            if change is None or change.members:
                continue
            if change.after is not None and (change.before is None or self._key(change) != change.key):
                # What is not there yet, or will be there under another key, has to be known by name.
                moving.append(self._held(step, change, change.after, key=change.key, sure=False))
                self._told[step.ref] = moving[-1].shape
            else:
                doubtful.append(step.ref)
        delivered.acknowledge(connection, self._target, moving, [])
        delivered.trust(connection, self._target, doubtful, sure=False)

    # ---- after

    def _answered(self, connection: Connection, answers: Iterable[Answer]) -> None:
        held: list[Acknowledged] = []
        kept: list[int] = []
        gone: list[int] = []
        quiet: list[dict[str, object]] = []
        for answer in answers:
            step, change = answer.step, answer.step.change
            if change is None:
                quiet.append({"which": step.ref, "since": self._now.isoformat() if step.left else None})
                continue
            shape = change.after if answer.outcome.error is None else change.before
            if change.members:
                continue
            if answer.outcome.error is not None:
                self._told.pop(step.ref, None)
            if shape is None:
                gone.append(step.ref)
            elif answer.outcome.error is not None:
                # It is told again in any case: what it was before may have been in doubt, too.
                held.append(self._held(step, change, shape, key=change.key, sure=False))
            else:
                if change.op is Op.CREATE and step.ref in self._told:
                    kept.append(step.ref)  # It is as it was announced.
                else:
                    held.append(self._held(step, change, shape, key=shape[self._keys[change.kind]], left=step.left))
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
        delivered.trust(connection, self._target, kept, sure=True)

    def _held(
        self,
        step: Planned,
        change: Change,
        shape: Mapping[str, Value],
        *,
        key: Value,
        left: bool = False,
        sure: bool = True,
    ) -> Acknowledged:
        text = encode(shape)
        return Acknowledged(
            ref=step.ref,
            kind=NUMBER[change.kind],
            key=encode(key).decode(),
            digest=digest(text),
            active=shape.get("active") is not False,
            left_at=self._now if left else None,
            shape=text.decode(),
            sure=sure,
        )

    def _text(self, ref: int, change: Change) -> str | None:
        if change.after is None:
            return None
        return self._told.pop(ref, None) or encode(change.after).decode()

    def _key(self, change: Change) -> Value:
        return None if change.after is None else change.after[self._keys[change.kind]]

    # ---- memberships

    def _members(self, connection: Connection, answers: Iterable[Answer], given: Iterable[Planned]) -> None:
        answered = [answer for answer in answers if answer.step.members]
        told = [step for step in given if step.members]
        refs = list({step.ref for step in (*(answer.step for answer in answered), *told)})
        if not refs:
            return
        held = delivered.members(connection, self._target, refs)
        for answer in answered:
            group = held.setdefault(answer.step.ref, Membership(set(), set()))
            group.given.difference_update(answer.step.members)
            done = _accepted(answer)
            if answer.step.change is not None and answer.step.change.op is Op.ADD:
                group.members |= done
            else:
                group.members -= done
        for step in told:
            held.setdefault(step.ref, Membership(set(), set())).given.update(step.members)
        delivered.acknowledge_members(connection, self._target, held)


def _accepted(answer: Answer) -> set[int]:
    """The refs of the members of whom the target did what it was told."""
    change, outcome = answer.step.change, answer.outcome
    if change is None or outcome.error is not None:
        return set()
    if not outcome.refused:
        return set(answer.step.members)
    pairs = zip(answer.step.members, change.members, strict=True)
    return {ref for ref, member in pairs if member.id not in outcome.refused}


def _done(answer: Answer) -> Change | None:
    """The change, as far as it was not refused; None when there is nothing to tell of."""
    change, outcome = answer.step.change, answer.outcome
    if change is None or outcome.error is not None:
        return None
    if not outcome.refused:
        return change
    members = tuple(member for member in change.members if member.id not in outcome.refused)
    return structs.replace(change, members=members) if members else None
