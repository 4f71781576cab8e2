"""The changes that dates cause although a directory stays the same, and whether the guard would hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from msgspec import Struct, structs

from usersyncd.core.guard import Holdings, Tally, Window, violations
from usersyncd.core.model import Guard
from usersyncd.core.report import Upcoming, Violation
from usersyncd.plugin import Change

EXACT = timedelta(hours=1)
"""How exactly a change is dated if its rules do not give the moment."""


class DatedChange(Struct, frozen=True):
    """The change of a record that is due at a moment."""

    at: datetime
    ref: int
    change: Change


def first_change(moment: datetime, last: datetime, differs: Callable[[datetime], bool]) -> datetime | None:
    """The first moment at which a shape ``differs`` from the present one; None if it does not differ at ``last``.
    ``moment``: the earliest at which it may differ."""
    if differs(moment):
        return moment
    if not differs(last):
        return None
    early, late = moment, last
    while late - early > EXACT:
        middle = early + (late - early) / 2
        early, late = (early, middle) if differs(middle) else (middle, late)
    return late


def summarize(changes: Sequence[DatedChange], guard: Guard, holdings: Holdings) -> Upcoming | None:
    """Count the changes, and check them against the limits of the guard, without any other changes. The limit
    ``blanked`` is not checked. None: there are no changes."""
    if not changes:
        return None
    counts = Counter(str(one.change.op) for one in changes)
    until = max(one.at for one in changes)
    return Upcoming(
        until.isoformat(), **counts, guard=_violations(changes, structs.replace(guard, blanked=None), holdings)
    )


def _violations(changes: Sequence[DatedChange], guard: Guard, holdings: Holdings) -> list[Violation]:
    """The limits that these changes will exceed, each once. The guard counts together what falls into one window."""
    found: dict[str, Violation] = {}
    for part in _windows(changes, guard.window):
        tally = Tally(guard, Window())
        for one in part:
            tally.add(one.ref, one.change)
        for violation in violations(guard, tally, holdings):
            found.setdefault(violation.limit, violation)
    return list(found.values())


def _windows(changes: Sequence[DatedChange], length: timedelta) -> Iterator[list[DatedChange]]:
    """The changes of each window that begins with the first change of a day."""
    begins: dict[object, datetime] = {}
    for one in sorted(changes, key=lambda one: one.at):
        begins.setdefault(one.at.date(), one.at)
    for begin in begins.values():
        end = begin + max(length, timedelta.resolution)
        yield [one for one in changes if begin <= one.at < end]
