"""Which changes of a plan or a run a report lists."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Protocol, TypeVar


class Sorted(Protocol):
    """A change, planned or in the journal."""

    @property
    def op(self) -> str: ...
    @property
    def kind(self) -> str: ...


S = TypeVar("S", bound=Sorted)


class ListedChanges(Enum):
    """Which changes a report lists. ``FIRST``: the first of each sort, so that a few deletions are seen although a
    thousand creations come before them."""

    NONE = 0
    FIRST = 10
    ALL = sys.maxsize


def listed(changes: Iterable[S], which: ListedChanges) -> Iterator[S]:
    """The changes that a report lists, in their order."""
    counts = Counter[tuple[str, str]]()
    for change in changes:
        counts[change.op, change.kind] += 1
        if counts[change.op, change.kind] <= which.value:
            yield change
