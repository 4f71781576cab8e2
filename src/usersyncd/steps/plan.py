"""Step four, plan: from what a target holds to what it shall hold, as changes in the order of their delivery."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime
from functools import cache

from msgspec import Struct, field, json
from sqlalchemy import Connection

from usersyncd.core.diff import Held, Step, compare
from usersyncd.core.diff import Subject as About
from usersyncd.core.digest import digest, encode
from usersyncd.core.report import Failed, Skipped
from usersyncd.job import Delivery
from usersyncd.plugin import Change, Kind
from usersyncd.state import delivered
from usersyncd.state.database import Database
from usersyncd.state.delivered import Progress
from usersyncd.state.directories import Reading
from usersyncd.state.memberships import graph
from usersyncd.state.planned import Claim, Plan
from usersyncd.state.spool import decode
from usersyncd.state.subjects import Scope, Subject
from usersyncd.steps.keys import settle
from usersyncd.steps.memberships import plan_memberships
from usersyncd.steps.shape import Shaped, shape_groups, shape_users

NAMED = 100
"""How many records that the rules leave out are named."""


class Draft(Struct):
    """A plan, and what was found while it was made.

    ``reached`` is how far the target is once all of it is delivered; ``again`` are the refs of what failed already,
    which the next plan looks at again; ``skipped`` names the first of those that the rules leave out.
    """

    plan: Plan
    reached: Progress
    failed: list[Failed] = field(default_factory=list)
    again: set[int] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)

    def fail(self, kind: Kind, ref: int, id_: str, error: str, at: str | None = None) -> None:
        """One record cannot be planned."""
        self.failed.append(Failed(kind, id_, error, at))
        self.again.add(ref)


def plan(database: Database, reading: Reading, delivery: Delivery, now: datetime) -> Generator[None, None, Draft]:
    """Make the plan of one target. Changes nothing. Pauses now and then. Raises StateError."""
    draft = Draft(Plan(), Progress(reading.revision, delivery.fingerprint))
    try:
        with database.read() as connection:
            yield from _Planner(connection, reading, delivery, now, draft).run()
    except BaseException:
        draft.plan.close()
        raise
    return draft


class _Planner:
    def __init__(
        self, connection: Connection, reading: Reading, delivery: Delivery, now: datetime, draft: Draft
    ) -> None:
        self._connection = connection
        self._reading = reading
        self._target = delivery.target
        self._rules = delivery.rules
        self._now = now
        self._draft = draft
        done = delivered.progress(connection, reading.id, delivery.target.name)
        same = done is not None and done.fingerprint == delivery.fingerprint
        kept = delivery.target.leavers.delete_after
        self._scope = Scope(
            reading.id,
            delivery.target.name,
            since=done.revision if done and same else None,
            due=now - kept if kept else None,
        )

    def run(self) -> Iterator[None]:
        edges = cache(lambda: graph(self._connection, self._reading.id))  # Most plans need them not, some twice.
        for page in shape_users(self._connection, self._rules, self._scope, edges):
            self._compare(Kind.USER, page)
            yield
        for page in shape_groups(self._connection, self._rules, self._scope):
            self._compare(Kind.GROUP, page)
            yield
        for kind in Kind:
            for clash in settle(self._connection, self._scope, self._draft.plan, kind, self._rules.layouts[kind]):
                self._draft.fail(kind, clash.ref, clash.id, clash.why)
            yield
        mode = self._target.memberships
        yield from plan_memberships(self._connection, self._scope, self._reading.name, self._draft.plan, mode, edges)

    def _compare(self, kind: Kind, page: list[Shaped]) -> None:
        steps: list[tuple[int, str, bool, Change | None]] = []
        claims: list[Claim] = []
        for shaped in page:
            subject = shaped.subject
            if shaped.error is not None:
                self._draft.fail(kind, subject.ref, subject.id, shaped.error.message, shaped.error.at)
                continue
            if shaped.shape is None and subject.attributes is not None:
                self._skip(kind, subject)
            step = self._step(kind, shaped)
            if step is not None:
                steps.append((subject.ref, subject.id, step.left, step.change))
                claims += _claims(kind, subject, step, self._rules.layouts[kind].key)
        self._draft.plan.add(steps, claims)

    def _skip(self, kind: Kind, subject: Subject) -> None:
        if len(self._draft.skipped) < NAMED:
            where = (self._target.users if kind is Kind.USER else self._target.groups).where
            self._draft.skipped.append(
                Skipped(kind, subject.id, f"{kind}s.where leaves it out", where.at if where else None)
            )

    def _step(self, kind: Kind, shaped: Shaped) -> Step | None:
        subject, shape = shaped.subject, shaped.shape
        if shape is not None and subject.sure and not subject.left_at and subject.digest == digest(encode(shape)):
            return None
        held = None
        if subject.shape is not None and subject.key is not None:
            left_at = datetime.fromisoformat(subject.left_at) if subject.left_at else None
            held = Held(decode(subject.shape), json.decode(subject.key), left_at, subject.sure)
        about = About(kind, self._reading.name, subject.id, self._rules.layouts[kind].key)
        return compare(about, shape, held, self._target.leavers, self._now)


def _claims(kind: Kind, subject: Subject, step: Step, key: str) -> Iterator[Claim]:
    """What the plan says of a record that comes, leaves, returns or changes its key."""
    was_here = subject.shape is not None and subject.left_at is None
    here = not step.left
    change = step.change
    new_key = change.after[key] if here and change is not None and change.after is not None else None
    if here == was_here and (change is None or new_key == change.key):
        return
    assert new_key is None or isinstance(new_key, str | int)  # noqa: S101 - the rules see to it
    yield Claim(subject.ref, kind, subject.id, new_key, here, here != was_here)
