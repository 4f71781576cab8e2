"""Walks through nested groups. Records are known by their refs. Cycles do no harm."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

NOBODY: array[int] = array("I")


def reached(start: Iterable[int], beyond: Callable[[set[int]], Iterable[int]]) -> set[int]:
    """The groups of ``start`` and all groups reached from them. ``beyond`` returns the next groups of given groups."""
    found: set[int] = set()
    waiting = set(start)
    while waiting:
        found |= waiting
        waiting = set(beyond(waiting)) - found
    return found
