"""One batch in one transaction: what it needs, what becomes of each change, and how a culprit is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from usersyncd.plugin import DELIVERED, Change, Outcome
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.faults import refusal
from usersyncd_sql.tables import Key, RecordTable
from usersyncd_sql.write import Writer

Item = TypeVar("Item")
Numbered = tuple[int, Change]
"""A change and its place in the batch."""


@dataclass
class Batch:
    """A batch on its way. A change is delivered unless something refuses it."""

    writer: Writer
    catalog: Catalog
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _errors: dict[int, str] = field(default_factory=dict)
    _refused: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def refuse(self, number: int, reason: str) -> None:
        """This change is refused as a whole."""
        self._errors[number] = reason

    def refuse_member(self, number: int, member: str, reason: str) -> None:
        """This edge of a membership change is refused."""
        self._refused[number][member] = reason

    def outcome(self, number: int) -> Outcome:
        """What became of this change."""
        if number in self._errors:
            return Outcome(error=self._errors[number])
        return Outcome(refused=self._refused[number]) if number in self._refused else DELIVERED

    def all_at_once(self, work: Callable[[], None]) -> bool:
        """Try this in a savepoint; False, and nothing done, when the database refuses something in it."""
        return self._attempt(work) is None

    def halve(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> list[tuple[Item, Exception]]:
        """Do the work for all items but those that the database refuses; these are given back, each with its error.

        All are tried together; where that fails, both halves are: one culprit in n costs 2 log n attempts.
        """
        if not items:
            return []
        error = self._attempt(lambda: work(items))
        if error is None:
            return []
        if len(items) == 1:
            return [(items[0], error)]
        middle = len(items) // 2
        return self.halve(items[:middle], work) + self.halve(items[middle:], work)

    def _attempt(self, work: Callable[[], None]) -> Exception | None:
        try:
            with self.writer.connection.begin_nested():
                work()
        except Exception as error:
            if refusal(error) is None:
                raise
            return error
        return None

    def find(
        self, table: RecordTable, column: str, wanted: Iterable[tuple[str, Key]]
    ) -> dict[tuple[str, Key], list[Any]]:
        """What ``column`` holds in the rows of these (directory, key) pairs: several where keys are not unique."""
        keys: dict[str, list[Key]] = defaultdict(list)
        for directory, key in dict.fromkeys(wanted):
            keys[directory].append(key)
        found: dict[tuple[str, Key], list[Any]] = defaultdict(list)
        for directory, some in keys.items():
            for key, value in self.writer.select(table, [table.key, column], table.fixed(directory), table.key, some):
                found[directory, table.stored_key(key)].append(value)
        return found
