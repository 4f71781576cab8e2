"""Compares a record's shape with what the target holds of it. The result is at most one change."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from usersyncd.core.links import Link, Shape, State
from usersyncd.core.model import Leavers
from usersyncd.plugin import Change, Kind, Op

UPDATED_AT = "updatedAt"
"""The canonical attribute that changes with any other attribute of a record, also with those that no target holds."""


class RecordIdentity(Struct, frozen=True):
    """The record that a change is about. ``key``: the name of the attribute that identifies a record in the target."""

    kind: Kind
    directory: str
    id: str
    key: str


class Step(Struct, frozen=True):
    """The step of a plan for one record: its ``change`` (None: only the state changes, not the target), and whether the
    record ``left``: it is a leaver from now on."""

    change: Change | None
    left: bool


def compare(
    identity: RecordIdentity,
    shape: Shape | None,
    link: Link | None,
    leavers: Leavers,
    leaving: Shape,
    now: datetime,
    *,
    again: bool = False,
    without: str | None = None,
) -> Step | None:
    """The step for one record; None: there is nothing to do.

    ``shape`` None: the record left its directory or the scope. Then a user that is kept gets the attributes
    ``leaving``; of any other user, these show whether an object is without access. ``again``: the target no longer
    holds what was delivered. ``without``: the attribute whose change alone is not delivered.
    """
    if shape is not None:
        return _wanted(identity, shape, link, leaving, again, without)
    if link is None:
        return None
    if identity.kind is Kind.GROUP:
        return Step(_change(identity, Op.DELETE, link, None), left=True)
    return _leaver(identity, link, leavers, leaving, now, again)


def look_again(identity: RecordIdentity, shape: Shape | None, link: Link) -> Step:
    """The step for a record that failed before and has nothing to change. The plan keeps it only if the object turns
    out to differ."""
    op, left = (Op.UPDATE, False) if shape is not None else (Op.DEACTIVATE, True)
    return Step(_change(identity, op, link, link.shape), left)


def _wanted(
    identity: RecordIdentity, shape: Shape, link: Link | None, off: Shape, again: bool, without: str | None
) -> Step | None:
    if link is None or (link.state is State.PENDING and link.key == shape[identity.key]):
        return Step(_change(identity, Op.CREATE, link, shape), left=False)
    if again or _differs(shape, link.shape, without) or link.state is State.PENDING:
        op = Op.UPDATE
        if "active" in shape and bool(shape["active"]) is not bool(link.shape.get("active", True)):
            op = Op.REACTIVATE if shape["active"] else Op.DEACTIVATE
        elif "active" not in shape and identity.kind is Kind.USER and _returns(link, shape, off):
            op = Op.REACTIVATE
        return Step(_change(identity, op, link, shape), left=False)
    return Step(None, left=False) if link.left_at else None


def _differs(shape: Shape, held: Shape, without: str | None) -> bool:
    if shape == held:
        return False
    return without not in shape or {**shape, without: held.get(without)} != held


def _returns(link: Link, shape: Shape, off: Shape) -> bool:
    """Whether an update of an object without the attribute ``active`` gives access back."""
    without = bool(off) and off.items() <= link.shape.items() and not off.items() <= shape.items()
    return link.left_at is not None or without


def _leaver(
    identity: RecordIdentity, link: Link, leavers: Leavers, leaving: Shape, now: datetime, again: bool
) -> Step | None:
    kept = leavers.delete_after
    if kept is not None and (not kept or (link.left_at is not None and link.left_at + kept <= now)):
        return Step(_change(identity, Op.DELETE, link, None), left=True)
    if link.state is not State.PENDING and not again and leaving.items() <= link.shape.items():
        return None if link.left_at is not None else Step(None, left=True)
    shape = {name: value for name, value in link.shape.items() if name != identity.key or value is not None}
    return Step(_change(identity, Op.DEACTIVATE, link, shape | leaving), left=True)


def _change(identity: RecordIdentity, op: Op, link: Link | None, after: Shape | None) -> Change:
    key = link.key if link else after and after[identity.key]
    assert isinstance(key, str | int)  # noqa: S101 - the rules see to it
    return Change(
        op,
        identity.kind,
        identity.directory,
        identity.id,
        key,
        link.shape if link else None,
        after,
        target_id=link.target_id if link else None,
    )
