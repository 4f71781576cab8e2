"""One batch in one transaction: what it needs, what becomes of each change, and how a culprit is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from usersyncd.plugin import Change, Kind, Outcome, TargetContext
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.faults import refusal
from usersyncd_sql.write import Writer

Item = TypeVar("Item")
Numbered = tuple[int, Change]
"""A change and its place in the batch."""


@dataclass
class Batch:
    """A batch on its way. A change is delivered unless something refuses it."""

    writer: Writer
    catalog: Catalog
    context: TargetContext
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _errors: dict[int, str] = field(default_factory=dict)
    _refused: dict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    _gone: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    _absent: set[int] = field(default_factory=set)
    _given: dict[int, str] = field(default_factory=dict)
    _present: dict[tuple[Kind, str, str], str] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """This change is refused as a whole."""
        self._errors[number] = reason

    def refuse_member(self, number: int, member: str, reason: str) -> None:
        """This edge of a membership change is refused."""
        self._refused[number][member] = reason

    def miss_member(self, number: int, member: str, reason: str) -> None:
        """This edge is refused, and its member has no row."""
        self.refuse_member(number, member, reason)
        self._gone[number].add(member)

    def absent(self, number: int) -> None:
        """The target has no row under the change's target id."""
        self._absent.add(number)

    def give(self, number: int, change: Change, target_id: str) -> None:
        """This is the target id of the change's row from now on."""
        self._given[number] = target_id
        self._present[change.kind, change.directory, change.id] = target_id

    def present_id(self, kind: Kind, directory: str, id: str, target_id: str | None) -> str | None:  # noqa: A002
        """The target id of a record, as this batch may have changed it."""
        return self._present.get((kind, directory, id), target_id)

    def outcome(self, number: int) -> Outcome:
        """What became of this change."""
        if number in self._errors:
            return Outcome(error=self._errors[number])
        return Outcome(
            refused=self._refused.get(number, {}),
            target_id=self._given.get(number),
            absent=number in self._absent,
            gone=frozenset(self._gone.get(number, ())),
        )

    def is_protected(self, kind: Kind, key: str | int, attributes: Mapping[str, object]) -> bool:
        """Whether the configuration protects the row that holds this now."""
        return self.context.protected(kind, key, attributes)  # type: ignore[arg-type]

    def all_at_once(self, work: Callable[[], None]) -> bool:
        """Try this in a savepoint; False, and nothing done, when the database refuses something in it."""
        return self.attempt(work) is None

    def halve(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> list[tuple[Item, Exception]]:
        """Do the work for all items but those that the database refuses; these are given back, each with its error.

        All are tried together; where that fails, both halves are: one culprit in n costs 2 log n attempts.
        """
        if not items:
            return []
        error = self.attempt(lambda: work(items))
        if error is None:
            return []
        if len(items) == 1:
            return [(items[0], error)]
        middle = len(items) // 2
        return self.halve(items[:middle], work) + self.halve(items[middle:], work)

    def attempt(self, work: Callable[[], None]) -> Exception | None:
        """Do this in a savepoint. The error, and nothing done, when a record in it is refused."""
        try:
            with self.writer.connection.begin_nested():
                work()
        except Exception as error:
            if refusal(error) is None:
                raise
            return error
        return None
