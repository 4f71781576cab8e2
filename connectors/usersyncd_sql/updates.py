"""Writes existing rows: update, adopt, deactivate and reactivate each write one shape to one row.

A row that frees a unique value is written before the row that takes it. In an exchange, rows get temporary values in
the same savepoint. Where that is impossible, only the order of writing resolves the conflict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from usersyncd.plugin import Change, Op
from usersyncd_sql import own
from usersyncd_sql.access import take_access
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.conflicts import Conflict, Item, conflicts, of_free_keys
from usersyncd_sql.faults import Refused, is_unique
from usersyncd_sql.follow import Move, follow
from usersyncd_sql.identity import Address, Columns
from usersyncd_sql.order import components, knots, waves
from usersyncd_sql.present import present
from usersyncd_sql.reasons import UNTOUCHED, reason
from usersyncd_sql.reflected import Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.temporary import values

TAKEN = "its new `{}` still belongs to another row, whose change was refused"


def update(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> None:
    """Write the shapes of changes to their rows."""
    items = _items(batch, table, changes)
    if not items:
        return
    work = _Work(batch, table, items, list(conflicts(table, items)))
    for places, _ in batch.halve(components(len(items), work.waits), work.all_of):
        for knot in knots(places, work.waits):
            work.one_by_one(knot)
    for place, item in enumerate(items):
        if place not in work.refused:
            _done(batch, table, item)


class _Work:
    """The items of one batch, and how they depend on each other."""

    def __init__(self, batch: Batch, table: RecordTable, items: Sequence[Item], clashes: Sequence[Conflict]) -> None:
        self.batch, self.table, self.items = batch, table, items
        self.refused: set[int] = set()
        self.waits: dict[int, set[int]] = defaultdict(set)
        """Index of an item -> the items that hold a unique value that it takes."""
        self._firm: dict[int, set[int]] = defaultdict(set)
        """The same, for holders that cannot be parked."""
        self._unguarded: dict[int, set[int]] = defaultdict(set)
        """The same, for values that no constraint of the table protects."""
        self._parked: dict[int, set[str]] = defaultdict(set)
        self._clashes = clashes
        for conflict in clashes:
            self.waits[conflict.taker].add(conflict.holder)
            if not conflict.guarded:
                self._unguarded[conflict.taker].add(conflict.holder)
            if conflict.column is not None:
                self._parked[conflict.holder].add(conflict.column)
            elif conflict.guarded or table.key in items[conflict.holder].address[0]:
                self._firm[conflict.taker].add(conflict.holder)

    def all_of(self, groups: Sequence[Sequence[int]]) -> None:
        """Write groups of items together. Raises the database error, or Refused for an exchange that is impossible."""
        places = [place for group in groups for place in group]
        steps = waves(places, self._firm)
        if steps is None:
            raise Refused(self._why_no_exchange(places))
        self._park(places)
        for step in steps:
            self._write([self.items[place] for place in step])
        follow(self.batch, self.table, [_move(self.items[place]) for place in places])

    def _why_no_exchange(self, places: Sequence[int]) -> str:
        rings = [set(knot) for knot in knots(places, self._firm) if len(knot) > 1]
        clash = next(
            one
            for one in self._clashes
            if one.column is None and any({one.taker, one.holder} <= ring for ring in rings)
        )
        what = f"it exchanges {', '.join(f'`{column}`' for column in clash.unique)} with others, but "
        by = self.items[clash.holder].address[0]
        if all(column in by for column in clash.unique if column in self.table.place):
            return (
                f"{what}usersyncd identifies the rows of `{self.table.name}` by it\n"
                "  → give the table a primary key that no rule writes, or give one of them another value first"
            )
        return (
            f"{what}the column has no room for a temporary value\n"
            "  → let the column accept NULL or longer text, or give one of them another value first"
        )

    def one_by_one(self, knot: Sequence[int]) -> None:
        """Write a knot together; if that fails, write its items one by one and refuse those that fail."""
        kept = {holder for place in knot for holder in self._unguarded.get(place, ())} & self.refused
        error = Refused(TAKEN.format(self.table.key)) if kept else self.batch.attempt(lambda: self.all_of([knot]))
        if error is None:
            return
        together = error
        exchange = len(knot) > 1 and isinstance(error, Refused)
        for place in knot:
            if len(knot) > 1 and not exchange:
                error = self.batch.attempt(lambda place=place: self.all_of([[place]]))  # type: ignore[misc]
            if error is not None:
                # Written alone, an item that takes another's value fails for that reason; the error of the whole group
                # is more useful.
                self._refuse(place, together if is_unique(error) and not is_unique(together) else error)

    def _refuse(self, place: int, error: Exception) -> None:
        item = self.items[place]
        if self._takes_access(item):
            return
        self.refused.add(place)
        number, _ = item.numbered
        keys = {self.table.stored(self.table.key, item.held[self.table.key])}
        moves = self.table.stored(self.table.key, item.row[self.table.place[self.table.key]]) not in keys
        self.batch.refuse(number, reason(self.batch, self.table, item.row, keys, error, moves=moves))

    def _takes_access(self, item: Item) -> bool:
        """Deactivate without writing the rest of the row, which did not change. Returns whether that succeeded.

        A conflict in the rest of the row must not keep a leaver active.
        """
        change = item.numbered[1]
        rest = [{**(shape or {}), own.ACTIVE: None} for shape in (change.before, change.after)]
        if change.op is not Op.DEACTIVATE or rest[0] != rest[1]:
            return False
        return take_access(self.batch, self.table, item.address)

    def _park(self, places: Sequence[int]) -> None:
        """Write temporary values to the rows whose values other rows of ``places`` take."""
        takers = set(places)
        rows: dict[tuple[str, Columns], list[Row]] = defaultdict(list)
        wanted = {holder for place in takers for holder in self.waits.get(place, ()) if holder in takers}
        for place in wanted:
            by, address = self.items[place].address
            for column in self._parked.get(place, ()):
                rows[column, by].append(address)
        for (column, by), addresses in rows.items():
            spare = values(self.batch.writer.connection, self.table, column)
            parked = [(value, *address) for value, address in zip(spare, addresses, strict=False)]
            self.batch.writer.update(self.table, [column], by, parked)

    def _write(self, items: Sequence[Item]) -> None:
        """Raises Refused if the database does not change every row."""
        # An update does not change `deactivated_at`; the other operations do.
        silent = own.DEACTIVATED_AT in self.table.stamps
        alike: dict[tuple[Columns, bool], list[Item]] = defaultdict(list)
        for item in items:
            says = not silent or item.numbered[1].op is not Op.UPDATE
            alike[item.address[0], says].append(item)
        for (by, says), some in alike.items():
            columns = [c for c in self.table.written if says or c != own.DEACTIVATED_AT]
            places = [self.table.place[column] for column in columns]
            rows = [(*(item.row[place] for place in places), *item.address[1]) for item in some]
            hit = self.batch.writer.update(self.table, columns, by, rows)
            # SQLite does not count the rows that a trigger of a view changes.
            if hit != len(rows) and not (self.table.is_view and self.table.backend == "sqlite"):
                raise Refused(UNTOUCHED)


def _items(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> list[Item]:
    now = table.now(batch.now)
    items: dict[Address, Item] = {}
    for found in present(batch, table, changes):
        number, change = found.numbered
        if (change.after or {}).get(table.key_attribute) != change.key:
            table.moving.add(change.target_id)
        try:
            row = _row(table, change, found.row, now)
        except Refused as error:
            batch.refuse(number, str(error))
            continue
        if (other := items.get(found.address)) is not None:
            batch.refuse(number, f"its row is also the row of {other.numbered[1].id}")
            continue
        items[found.address] = Item(found.numbered, found.address, found.row, row)
    return list(items.values()) if table.keys_are_unique else of_free_keys(batch, table, list(items.values()))


def _row(table: RecordTable, change: Change, held: Mapping[str, Any], now: Mapping[str, Any]) -> Row:
    """The row after a change. A leaver's shape comes from earlier rules: if it lacks attributes of the current rules,
    only the access changes. Raises Refused."""
    if table.names.keys() <= (change.after or {}).keys():
        return table.row(change, now)
    row = {**held, **now, table.names[own.ACTIVE]: table.adapted(own.ACTIVE, False)}
    return tuple(row[column] for column in table.written)


def _move(item: Item) -> Move:
    return Move(item.numbered[1].directory, item.held, item.row)


def _done(batch: Batch, table: RecordTable, item: Item) -> None:
    """Set the target id if it changed, or for an adopted row."""
    number, change = item.numbered
    row = {**item.held, **dict(zip(table.written, item.row, strict=True))}
    target_id = table.target_id(row)
    if target_id != change.target_id or change.op is Op.ADOPT:
        batch.give(number, change, target_id)
