"""Walks through groups within groups. Records are known by their refs; cycles are harmless."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable

NOBODY: array[int] = array("I")


def reached(start: Iterable[int], beyond: Callable[[set[int]], Iterable[int]]) -> set[int]:
    """The groups of ``start`` and all that are reached from them. ``beyond`` returns the next groups of some."""
    found: set[int] = set()
    waiting = set(start)
    while waiting:
        found |= waiting
        waiting = set(beyond(waiting)) - found
    return found
