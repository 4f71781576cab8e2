"""One batch in one transaction: its state, the outcome of each change, and the search for a refused change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from usersyncd.plugin import Change, Kind, Outcome, TargetContext
from usersyncd_sql.catalog import Catalog
from usersyncd_sql.faults import code, is_either, is_unlisted, refusal
from usersyncd_sql.savepoint import savepoint
from usersyncd_sql.statement_errors import is_of_statement
from usersyncd_sql.write import Writer

Item = TypeVar("Item")

MANY = 100
"""Number of items from which on the same unknown error for all of them counts as an error of the statement."""
Numbered = tuple[int, Change]
"""A change and its index in the batch."""


@dataclass
class Batch:
    """A batch that is being delivered. A change counts as delivered unless it is refused."""

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
    _of_statement: dict[str | int | None, bool] = field(default_factory=dict)

    def refuse(self, number: int, reason: str) -> None:
        """Refuse a change as a whole."""
        self._errors[number] = reason

    def refuse_member(self, number: int, member: str, reason: str) -> None:
        """Refuse one member of a membership change."""
        self._refused[number][member] = reason

    def miss_member(self, number: int, member: str, reason: str) -> None:
        """Refuse one member that has no row."""
        self.refuse_member(number, member, reason)
        self._gone[number].add(member)

    def absent(self, number: int) -> None:
        """Note that the target has no row under the change's target id."""
        self._absent.add(number)

    def give(self, number: int, change: Change, target_id: str) -> None:
        """Set the new target id of the change's row."""
        self._given[number] = target_id
        self._present[change.kind, change.directory, change.id] = target_id

    def present_id(self, kind: Kind, directory: str, id: str, target_id: str | None) -> str | None:  # noqa: A002
        """The target id of a record; ``target_id`` unless this batch has set another."""
        return self._present.get((kind, directory, id), target_id)

    def outcome(self, number: int) -> Outcome:
        """The outcome of a change."""
        if number in self._errors:
            return Outcome(error=self._errors[number])
        if number in self._refused:
            return Outcome(
                refused=self._refused[number],
                absent=number in self._absent,
                gone=frozenset(self._gone.get(number, ())),
            )
        return Outcome(target_id=self._given.get(number), absent=number in self._absent)

    def is_protected(self, kind: Kind, key: str | int, attributes: Mapping[str, object]) -> bool:
        """Whether the configuration protects a row with this key and these attributes."""
        return self.context.protected(kind, key, attributes)  # type: ignore[arg-type]

    def all_at_once(self, work: Callable[[], None]) -> bool:
        """Run ``work`` in a savepoint. False, and ``work`` undone, if the database refuses a record in it."""
        return self.attempt(work) is None

    def halve(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> list[tuple[Item, Exception]]:
        """Run ``work`` for all items except those that the database refuses. Returns these with their errors.

        All items are tried together; if that fails, each half is tried: one refused item in n costs 2 log n attempts.
        An error of an unknown kind for each of many items does not concern the items, and is raised.
        """
        refused = self._halved(items, work)
        if len(refused) == len(items) >= MANY and all(is_unlisted(error) or is_either(error) for _, error in refused):
            raise refused[0][1]
        return refused

    def _halved(self, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> list[tuple[Item, Exception]]:
        if not items:
            return []
        error = self.attempt(lambda: work(items))
        if error is None:
            return []
        if len(items) == 1:
            return [(items[0], error)]
        middle = len(items) // 2
        return self._halved(items[:middle], work) + self._halved(items[middle:], work)

    def attempt(self, work: Callable[[], None]) -> Exception | None:
        """Run ``work`` in a savepoint. Returns the error, and undoes ``work``, if the database refuses a record."""
        try:
            with savepoint(self.writer.connection):
                work()
        except Exception as error:
            if refusal(error) is None or (is_either(error) and self._is_of_statement(error)):
                raise
            return error
        return None

    def _is_of_statement(self, error: Exception) -> bool:
        found = code(error)
        if found not in self._of_statement:
            tables = self.catalog.reflected()
            self._of_statement[found] = any(is_of_statement(self.writer.connection, one, error) for one in tables)
        return self._of_statement[found]
