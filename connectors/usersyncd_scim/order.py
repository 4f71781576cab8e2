"""The changes of one batch that run at the same time, and those that wait for each other.

A change whose new value of a unique attribute another change frees runs after that one. In a circle, one resource
takes an intermediate value first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from usersyncd.plugin import Change, Kind, Op, Value


class Turn(Struct, frozen=True):
    """When a change runs. ``after``: the number of the change that frees its value. ``steps_aside``: it frees its own
    old value before it waits, because a circle of changes waits for it."""

    after: int | None = None
    steps_aside: bool = False


Unique = Callable[[Change, bool], Value]
"""The value of the unique attribute that a change has before (False) and after (True) it."""


def turns(changes: Sequence[Change], unique: Unique, *, deletes: bool) -> list[Turn]:
    """The turn of each change. ``deletes``: whether deleting a user frees its value."""
    freed: dict[tuple[Kind, str], int] = {}
    for number, change in enumerate(changes):
        old, new = unique(change, False), unique(change, True)
        goes = change.op is Op.DELETE and (deletes or change.kind is Kind.GROUP)
        if old is not None and (goes or (change.op is not Op.DELETE and new is not None and _key(new) != _key(old))):
            freed[change.kind, _key(old)] = number
    after: list[int | None] = []
    for number, change in enumerate(changes):
        new = unique(change, True)
        holder = None if new is None or change.op is Op.DELETE else freed.get((change.kind, _key(new)))
        after.append(None if holder == number else holder)
    aside = _one_of_each_circle(after)
    return [Turn(holder, number in aside) for number, holder in enumerate(after)]


def _key(value: Value) -> str:
    return str(value).casefold()


def _one_of_each_circle(after: Sequence[int | None]) -> set[int]:
    """One number of each circle. Each number waits for at most one other, so circles do not overlap."""
    aside: set[int] = set()
    seen: dict[int, int] = {}
    for start in range(len(after)):
        number: int | None = start
        while number is not None and number not in seen:
            seen[number] = start
            number = after[number]
        if number is not None and seen[number] == start:
            aside.add(number)
    return aside
