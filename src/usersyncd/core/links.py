"""Links between records and their objects in a target, and the outcome of changes that were not answered.

A change that was sent and not answered may have been written or not. The next run reads the object, and :func:`resolve`
decides the outcome from what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum

from msgspec import Struct

from usersyncd.plugin import Change, Held, Lookup, Op, Value

Shape = dict[str, Value]

LEAVING = "leaving"
"""The fingerprint of a directory that leaves the target: its shapes depend on no rule."""


class State(IntEnum):
    """The state of a link.

    ``CONFIRMED``: the target acknowledged the last change, or its object was read. ``PENDING``: the last change was not
    answered and its outcome is not known; for a target that cannot be read, the change is sent again. ``LEAVER``: the
    person left, and the object is kept.
    """

    CONFIRMED = 0
    PENDING = 1
    LEAVER = 2


class Link(Struct, frozen=True):
    """The link of a record to its object in a target: the object's last known key and shape, and its ``target_id``
    (None: not looked up yet). ``left_at``: the time at which the person left."""

    shape: Shape
    key: str | int
    target_id: str | None
    state: State = State.CONFIRMED
    left_at: datetime | None = None


class PendingOutcome(IntEnum):
    """The outcome of an unanswered change.

    ``DONE``: the object is as the change requested. ``SEEN``: the object exists with other attributes, which the plan
    compares. ``NOT_DONE``: the change was not written, and the link stays as it was. ``ENDED``: the object does not
    exist, and the link ends. ``UNCLEAR``: the object may belong to another record.
    """

    DONE = 0
    SEEN = 1
    NOT_DONE = 2
    ENDED = 3
    UNCLEAR = 4


class ResolvedChange(Struct, frozen=True):
    """The outcome of an unanswered change, and the object as it is now (for DONE and SEEN)."""

    outcome: PendingOutcome
    held: Held | None = None


def resolve(
    change: Change, at_id: Held | None, at_key: Sequence[Held], names: Sequence[str], key: str
) -> ResolvedChange:
    """The outcome of an unanswered change of a record.

    ``at_id`` is the object under the change's target id. ``at_key`` are other objects without a link that have the key
    that the change writes. ``names`` are the attributes of the layout, ``key`` is the name of the key attribute.
    """
    if change.op is Op.CREATE:
        return _created(change, at_key, names)
    if change.op is Op.DELETE:
        done = at_id is None or is_stranger(at_id, change.before, {}, change.key, key)
        return ResolvedChange(PendingOutcome.ENDED if done else PendingOutcome.NOT_DONE)
    after = change.after or {}
    if at_id is None:
        return _moved(change, at_key, names)
    if agrees(at_id, after, names):
        return ResolvedChange(PendingOutcome.DONE, at_id)
    if change.op is Op.ADOPT:
        # An object that is as before was not adopted: the next plan decides the claim again.
        unchanged = agrees(at_id, change.before or {}, names)
        return ResolvedChange(PendingOutcome.NOT_DONE) if unchanged else ResolvedChange(PendingOutcome.SEEN, at_id)
    if at_key and not at_id.lasting:
        # The rules write the columns of the target id, so another record's object may have the old id now.
        done, undone = agrees(at_key[0], after, names), agrees(at_id, change.before or {}, names)
        if done is undone or len(at_key) > 1:
            return ResolvedChange(PendingOutcome.UNCLEAR)
        return ResolvedChange(PendingOutcome.DONE, at_key[0]) if done else ResolvedChange(PendingOutcome.SEEN, at_id)
    if is_stranger(at_id, change.before, after, change.key, key):
        return ResolvedChange(PendingOutcome.UNCLEAR)
    return ResolvedChange(PendingOutcome.SEEN, at_id)


def _created(change: Change, at_key: Sequence[Held], names: Sequence[str]) -> ResolvedChange:
    named = [held for held in at_key if held.record == (change.directory, change.id)]
    found = named or list(at_key)
    if len(found) != 1:
        return ResolvedChange(PendingOutcome.NOT_DONE)
    return ResolvedChange(_as_asked(found[0], change.after or {}, names), found[0])


def _moved(change: Change, at_key: Sequence[Held], names: Sequence[str]) -> ResolvedChange:
    """The outcome of a change if no object has its target id. A target id that contains the key changes with it."""
    if len(at_key) == 1 and agrees(at_key[0], change.after or {}, names):
        return ResolvedChange(PendingOutcome.DONE, at_key[0])
    return ResolvedChange(PendingOutcome.ENDED)


def _as_asked(held: Held, after: Mapping[str, Value], names: Sequence[str]) -> PendingOutcome:
    return PendingOutcome.DONE if agrees(held, after, names) else PendingOutcome.SEEN


def answers(held: Held, asked: Lookup) -> bool:
    """Whether an object that the target found has exactly the requested key, or names the record. The target may also
    find objects whose keys it only treats as equal."""
    return held.key == asked.key or held.record == (asked.directory, asked.id)


def agrees(held: Held, shape: Mapping[str, Value], names: Sequence[str]) -> bool:
    """Whether an object holds this shape. A value in another form counts as different."""
    return all(held.attributes.get(name) == shape.get(name) for name in names)


def is_stranger(
    held: Held, before: Mapping[str, Value] | None, after: Mapping[str, Value], old_key: Value, key: str
) -> bool:
    """Whether an object is not the linked one: it has neither the old nor the new key, and at least half of its other
    attributes differ. Half, because two people may share a department; and it happens, because a restored target
    assigns serial ids again."""
    keys = {_folded(old_key), _folded(after.get(key, old_key))}
    if before is None or _folded(held.key) in keys:
        return False
    equal = [
        held.attributes.get(name) == value
        for name, value in before.items()
        if name != key and name in held.attributes and value is not None and not isinstance(value, bool)
    ]
    # If no attribute can be compared, and the key was not delivered either, nothing shows that it is another object.
    return sum(equal) <= len(equal) / 2 and (bool(equal) or key in before)


def has_key(held: Held, key: Value) -> bool:
    """Whether an object has this key. Differences that a database may make on writing do not count."""
    return _folded(held.key) == _folded(key)


def _folded(key: Value) -> str:
    """A key without the differences that a database may make: in case, spaces at the ends, number or text."""
    return str(key).strip().casefold()


def has_left(shape: Shape, change: Change) -> bool:
    """Whether an object holds what the deactivation of a leaver writes."""
    return written(change).items() <= shape.items()


def written(change: Change) -> Shape:
    """The attributes that the deactivation of a leaver writes."""
    before = change.before or {}
    return {n: value for n, value in (change.after or {}).items() if n == "active" or before.get(n) != value}


def shape_of(held: Held, names: Iterable[str]) -> Shape:
    """The attributes of an object, as a shape of the layout."""
    return {name: held.attributes.get(name) for name in names}
