"""One record's shape against what the target holds of it: at most one change."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from usersyncd.core.model import Leavers
from usersyncd.plugin import Change, Kind, Op, Value

Shape = dict[str, Value]


class Held(Struct, frozen=True):
    """What a target has acknowledged that it holds of one record, and under which key.

    ``left_at``: since when it is kept as a leaver's. Not ``sure``: it was given this shape, or another, and never
    answered; so whatever it shall hold, it is told again.
    """

    shape: Shape
    key: str | int
    left_at: datetime | None
    sure: bool = True


class Subject(Struct, frozen=True):
    """Whom a change is about; ``key`` is the name of the attribute that identifies a record in the target."""

    kind: Kind
    directory: str
    id: str
    key: str


class Step(Struct, frozen=True):
    """What is to be done about one record: ``change`` for the target (None: it need not know), and ``left``, whether
    the record is a leaver's from now on."""

    change: Change | None
    left: bool


def compare(subject: Subject, shape: Shape | None, held: Held | None, leavers: Leavers, now: datetime) -> Step | None:
    """What to do about one record. ``shape`` None: it has left its directory or the scope. None: nothing to do."""
    if shape is not None:
        return _wanted(subject, shape, held)
    if held is None:
        return None
    if subject.kind is Kind.GROUP:
        return Step(_change(subject, Op.DELETE, held, None), left=True)
    return _leaver(subject, held, leavers, now)


def _wanted(subject: Subject, shape: Shape, held: Held | None) -> Step | None:
    if held is None or (not held.sure and held.key == shape[subject.key]):
        return Step(_change(subject, Op.CREATE, held, shape), left=False)
    if shape != held.shape or not held.sure:
        op = Op.UPDATE
        if subject.kind is Kind.USER and bool(shape.get("active", True)) is not bool(held.shape.get("active", True)):
            op = Op.REACTIVATE if shape.get("active") else Op.DEACTIVATE
        return Step(_change(subject, op, held, shape), left=False)
    return Step(None, left=False) if held.left_at else None


def _leaver(subject: Subject, held: Held, leavers: Leavers, now: datetime) -> Step | None:
    kept = leavers.delete_after
    if kept is not None and (not kept or (held.left_at is not None and held.left_at + kept <= now)):
        return Step(_change(subject, Op.DELETE, held, None), left=True)
    if held.left_at is not None and held.sure:
        return None
    if held.shape.get("active") is False and held.sure:
        return Step(None, left=True)
    return Step(_change(subject, Op.DEACTIVATE, held, {**held.shape, "active": False}), left=True)


def _change(subject: Subject, op: Op, held: Held | None, after: Shape | None) -> Change:
    key = held.key if held else after and after[subject.key]
    assert isinstance(key, str | int)  # noqa: S101 - the rules see to it
    before = held.shape if held else None
    return Change(op, subject.kind, subject.directory, subject.id, key, before, after)
