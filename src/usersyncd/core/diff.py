"""One record's shape against what the target holds of it: at most one change."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from usersyncd.core.links import Link, Shape, State
from usersyncd.core.model import Leavers
from usersyncd.plugin import Change, Kind, Op


class RecordIdentity(Struct, frozen=True):
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


def compare(
    identity: RecordIdentity,
    shape: Shape | None,
    link: Link | None,
    leavers: Leavers,
    leaving: Shape,
    now: datetime,
    *,
    again: bool = False,
) -> Step | None:
    """What to do about one record. ``shape`` None: it has left its directory or the scope, and a user who is kept gets
    the attributes ``leaving``; of somebody who is here, these say that a person has no access. ``again``: what was
    delivered is not there any more. None: nothing to do."""
    if shape is not None:
        return _wanted(identity, shape, link, leaving, again)
    if link is None:
        return None
    if identity.kind is Kind.GROUP:
        return Step(_change(identity, Op.DELETE, link, None), left=True)
    return _leaver(identity, link, leavers, leaving, now, again)


def look_again(identity: RecordIdentity, shape: Shape | None, link: Link) -> Step:
    """The step of a record that failed before and has nothing to change: the plan keeps it only if the object is not as
    it should be."""
    op, left = (Op.UPDATE, False) if shape is not None else (Op.DEACTIVATE, True)
    return Step(_change(identity, op, link, link.shape), left)


def _wanted(identity: RecordIdentity, shape: Shape, link: Link | None, off: Shape, again: bool) -> Step | None:
    if link is None or (link.state is State.PENDING and link.key == shape[identity.key]):
        return Step(_change(identity, Op.CREATE, link, shape), left=False)
    if again or shape != link.shape or link.state is State.PENDING:
        op = Op.UPDATE
        if "active" in shape and bool(shape["active"]) is not bool(link.shape.get("active", True)):
            op = Op.REACTIVATE if shape["active"] else Op.DEACTIVATE
        elif "active" not in shape and identity.kind is Kind.USER and _returns(link, shape, off):
            op = Op.REACTIVATE
        return Step(_change(identity, op, link, shape), left=False)
    return Step(None, left=False) if link.left_at else None


def _returns(link: Link, shape: Shape, off: Shape) -> bool:
    """Whether the person of an object gets access again that has no ``active``."""
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
