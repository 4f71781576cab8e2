"""The faults of one expression."""

from __future__ import annotations

from collections.abc import Iterable

from usersyncd.core.model import Rule
from usersyncd.errors import Fault


class ExpressionFaults:
    """Collects the faults of one rule, each at its place in the file. ``path`` is the rule's, such as
    ``users.set.email``."""

    def __init__(self, rule: Rule, path: str) -> None:
        self.text = rule.text
        self._rule, self._path = rule, path
        self._found: dict[Fault, None] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, offset: int, message: str) -> None:
        """Add a fault, ``offset`` characters from the start of the expression."""
        place = self._rule.place(min(offset, len(self.text.rstrip())))
        self._found[Fault(place.file, place.line, place.column, self._path, message)] = None

    def note(self, faults: Iterable[Fault]) -> None:
        """Add faults that are already complete."""
        self._found |= dict.fromkeys(faults)

    def sorted(self) -> list[Fault]:
        """The faults in the order of the file."""
        return sorted(self._found, key=lambda fault: (fault.line, fault.column))
