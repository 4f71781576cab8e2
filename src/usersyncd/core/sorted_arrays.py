"""Sorted arrays of numbers without duplicates: the members of a group, as names or as refs."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Set

FEW = 0.02
"""The share of changes up to which single insertions and deletions cost less than sorting everything again."""


def has(numbers: array[int], number: int) -> bool:
    """Whether a sorted array contains a number."""
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def those_in(numbers: array[int], wanted: Iterable[int]) -> set[int]:
    """The ``wanted`` numbers that a sorted array contains."""
    return {number for number in wanted if has(numbers, number)}


def edited(numbers: array[int], added: Set[int], removed: Set[int]) -> array[int]:
    """A sorted array with these numbers added and removed. Adding a number that it has, or removing one that it lacks,
    changes nothing."""
    if not added and not removed:
        return numbers
    if not numbers:
        return array(numbers.typecode, sorted(added))
    if len(added) + len(removed) > FEW * len(numbers):
        return array(numbers.typecode, sorted((set(numbers) - removed) | added))
    found = numbers[:]
    for number in removed:
        place = bisect_left(found, number)
        if place < len(found) and found[place] == number:
            del found[place]
    for number in added:
        place = bisect_left(found, number)
        if place == len(found) or found[place] != number:
            found.insert(place, number)
    return found
