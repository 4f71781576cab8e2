"""Links: a record and its object in a target, and what becomes of a link when the target is looked at.

A change that was sent and never answered may have been done or not. Nobody guesses: the next run reads the object, and
:func:`settle` says what the link is from then on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum

from msgspec import Struct

from usersyncd.plugin import Change, Held, Lookup, Op, Value

Shape = dict[str, Value]


class State(IntEnum):
    """What is known of a link. ``CONFIRMED``: the target acknowledged it, or was looked at. ``PENDING``: a change was
    sent and never answered, and the target cannot be looked at, so it is told again. ``LEAVER``: kept after the person
    left."""

    CONFIRMED = 0
    PENDING = 1
    LEAVER = 2


class Link(Struct, frozen=True):
    """A record's object in a target: its key, what it was last known to hold, and its ``target_id`` (None: not looked
    up yet). ``left_at``: since when it is a leaver's."""

    shape: Shape
    key: str | int
    target_id: str | None
    state: State = State.CONFIRMED
    left_at: datetime | None = None


class Fate(IntEnum):
    """What became of an unanswered change. ``DONE``: the object is as the change asked. ``SEEN``: the object is there,
    with other attributes: the plan compares them. ``NOT_DONE``: nothing was created or adopted, the link is as it was.
    ``ENDED``: the object is gone, and the link with it. ``UNCLEAR``: what stands there may be another's object."""

    DONE = 0
    SEEN = 1
    NOT_DONE = 2
    ENDED = 3
    UNCLEAR = 4


class Settled(Struct, frozen=True):
    """The fate of an unanswered change, and the object as it is now (for DONE and SEEN)."""

    fate: Fate
    held: Held | None = None


def settle(change: Change, at_id: Held | None, at_key: Sequence[Held], names: Sequence[str], key: str) -> Settled:
    """What became of an unanswered change of a record.

    ``at_id`` is the object under the change's target id. ``at_key`` are other ones that have the key that the change
    was to give, and are linked to nobody. ``names`` are the attributes of the layout, ``key`` is the one that
    identifies.
    """
    if change.op is Op.CREATE:
        return _created(change, at_key, names)
    if change.op is Op.DELETE:
        return Settled(Fate.ENDED) if at_id is None else Settled(Fate.NOT_DONE)
    after = change.after or {}
    if at_id is None:
        return _moved(change, at_key, names)
    if change.op is Op.ADOPT:
        return Settled(_as_asked(at_id, after, names), at_id)
    if agrees(at_id, after, names):
        return Settled(Fate.DONE, at_id)
    if at_key and not at_id.lasting:
        # The target id follows what rules write, so somebody else's object may be under the old one now.
        done, undone = agrees(at_key[0], after, names), agrees(at_id, change.before or {}, names)
        if done is undone or len(at_key) > 1:
            return Settled(Fate.UNCLEAR)
        return Settled(Fate.DONE, at_key[0]) if done else Settled(Fate.SEEN, at_id)
    if is_stranger(at_id, change.before, after, change.key, key):
        return Settled(Fate.UNCLEAR)
    return Settled(Fate.SEEN, at_id)


def _created(change: Change, at_key: Sequence[Held], names: Sequence[str]) -> Settled:
    mine = [held for held in at_key if held.record == (change.directory, change.id)]
    found = mine or list(at_key)
    if len(found) != 1:
        return Settled(Fate.NOT_DONE)
    return Settled(_as_asked(found[0], change.after or {}, names), found[0])


def _moved(change: Change, at_key: Sequence[Held], names: Sequence[str]) -> Settled:
    """The target id may follow the key: then the object is under the new one."""
    if len(at_key) == 1 and agrees(at_key[0], change.after or {}, names):
        return Settled(Fate.DONE, at_key[0])
    return Settled(Fate.ENDED)


def _as_asked(held: Held, after: Mapping[str, Value], names: Sequence[str]) -> Fate:
    return Fate.DONE if agrees(held, after, names) else Fate.SEEN


def answers(held: Held, asked: Lookup) -> bool:
    """Whether an object that a target found has the key itself, or is the record's by the target's word, and is not
    merely taken for equal."""
    return held.key == asked.key or held.record == (asked.directory, asked.id)


def agrees(held: Held, shape: Mapping[str, Value], names: Sequence[str]) -> bool:
    """Whether an object holds this shape, as far as can be told: a value in another form counts as another one."""
    return all(held.attributes.get(name) == shape.get(name) for name in names)


def is_stranger(
    held: Held, before: Mapping[str, Value] | None, after: Mapping[str, Value], old_key: Value, key: str
) -> bool:
    """Whether an object is not the one that was linked: it has neither the old nor the new key, and most of its
    attributes are others. A restored target hands out serial ids again, and two people may share a department."""
    if before is None or held.key in {old_key, after.get(key, old_key)}:
        return False
    equal = [
        held.attributes.get(name) == value
        for name, value in before.items()
        if name != key and name in held.attributes and value is not None and not isinstance(value, bool)
    ]
    # Where the rules of then named none of it, nothing says that it is another one.
    return sum(equal) <= len(equal) / 2 and (bool(equal) or key in before)


def shape_of(held: Held, names: Sequence[str]) -> Shape:
    """What an object holds, as a shape of the layout."""
    return {name: held.attributes.get(name) for name in names}
