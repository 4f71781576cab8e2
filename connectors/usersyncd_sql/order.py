"""The order of changes that depend on each other: a change that frees a value comes first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set

Waits = Mapping[int, Set[int]]
"""Index of a change -> the indexes that have to come before it."""


def components(size: int, waits: Waits) -> list[list[int]]:
    """The connected components of the changes, ordered by the first index of each."""
    root = list(range(size))

    def top(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for place, others in waits.items():
        for other in others:
            one, two = sorted((top(place), top(other)))
            root[two] = one
    gathered: dict[int, list[int]] = defaultdict(list)
    for place in range(size):
        gathered[top(place)].append(place)
    return list(gathered.values())


def knots(places: Sequence[int], waits: Waits) -> list[list[int]]:
    """The strongly connected components, each after the components that it waits for.

    Tarjan, "Depth-first search and linear graph algorithms", 1972; without recursion.
    """
    among = set(places)
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    result: list[list[int]] = []
    for start in places:
        if start in number:
            continue
        work: list[tuple[int, Iterator[int]]] = [_visit(start, waits, number, low, path, on_path)]
        while work:
            place, others = work[-1]
            following = next((other for other in others if other in among and other != place), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[place])
                if low[place] == number[place]:
                    result.append(_cut(place, path, on_path))
            elif following not in number:
                work.append(_visit(following, waits, number, low, path, on_path))
            elif following in on_path:
                low[place] = min(low[place], number[following])
    return result


def waves(places: Sequence[int], waits: Waits) -> list[list[int]] | None:
    """The changes in the fewest steps, each step written at once; None if some wait for each other in a cycle."""
    step: dict[int, int] = {}
    for knot in knots(places, waits):
        if len(knot) > 1:
            return None
        (place,) = knot
        step[place] = 1 + max(
            (step[other] for other in waits.get(place, ()) if other in step and other != place), default=-1
        )
    gathered: dict[int, list[int]] = defaultdict(list)
    for place in places:
        gathered[step[place]].append(place)
    return [gathered[n] for n in sorted(gathered)]


def _visit(
    place: int, waits: Waits, number: dict[int, int], low: dict[int, int], path: list[int], on_path: set[int]
) -> tuple[int, Iterator[int]]:
    number[place] = low[place] = len(number)
    path.append(place)
    on_path.add(place)
    return place, iter(waits.get(place, ()))


def _cut(place: int, path: list[int], on_path: set[int]) -> list[int]:
    knot: list[int] = []
    while not knot or knot[-1] != place:
        knot.append(path.pop())
        on_path.discard(knot[-1])
    return knot[::-1]
