"""Finds updates of one batch that take unique values from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.identity import Address, Columns
from usersyncd_sql.reflected import Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.temporary import parking


@dataclass(frozen=True, slots=True)
class Item:
    """A row that an update changes: its current values, and the new ones."""

    numbered: Numbered
    address: Address
    held: Mapping[str, Any]
    row: Row


@dataclass(frozen=True, slots=True)
class Conflict:
    """A unique value that ``holder`` has and ``taker`` gets. Both are indexes of items."""

    taker: int
    holder: int
    unique: Columns
    """The columns of the value."""
    column: str | None
    """The column in which the holder can be parked; None: the holder has to be written first."""
    guarded: bool = True
    """Whether a constraint of the table enforces the uniqueness."""


def of_free_keys(batch: Batch, table: RecordTable, items: Sequence[Item]) -> list[Item]:
    """For a table without a unique constraint on the key: the items whose new key is free, or becomes free in this
    batch.

    The others are refused.
    """
    by = (table.key,)
    moving = {table.target_id(item.held) for item in items}
    wanted = [item for item in items if _future(table, by, item) != _folded(table, by, [item.held[table.key]])]
    asked = [(item.row[table.place[table.key]],) for item in wanted]
    taken: set[int] = set()
    columns = list(dict.fromkeys([table.key, *(column for some in table.identities for column in some)]))
    for n, found in batch.writer.join(table, columns, by, asked):
        row = dict(zip(columns, found, strict=True))
        if table.agrees(by, [row[table.key]], asked[n]) and table.target_id(row) not in moving:
            taken.add(wanted[n].numbered[0])
    seen: set[Row] = set()
    free = []
    for item in items:
        number, (key,) = item.numbered[0], (item.row[table.place[table.key]],)
        if number in taken or (key,) in seen:
            batch.refuse(number, f"`{table.key}` {key!r} already belongs to another row of `{table.name}`")
        else:
            seen.add((key,))
            free.append(item)
    return free


def conflicts(table: RecordTable, items: Sequence[Item]) -> Iterator[Conflict]:
    """The conflicts between the items of a batch."""
    for unique in [*table.uniques, *([] if table.keys_are_unique else [(table.key,)])]:
        if not any(column in table.place for column in unique):
            continue
        holders: dict[Row, int] = {}
        for place, item in enumerate(items):
            held = _folded(table, unique, [item.held[c] for c in unique])
            if held is not None and held != _future(table, unique, item):
                holders[held] = place
        if not holders:
            continue
        for place, item in enumerate(items):
            future = _future(table, unique, item)
            holder = holders.get(future) if future is not None else None
            if holder is not None and holder != place:
                by = items[holder].address[0]
                guarded = unique in table.uniques
                column = parking(table, unique, table.written, by) if guarded else None
                yield Conflict(place, holder, unique, column, guarded)


def _future(table: RecordTable, unique: Columns, item: Item) -> Row | None:
    row = [item.row[table.place[c]] if c in table.place else item.held[c] for c in unique]
    return _folded(table, unique, row)


def _folded(table: RecordTable, columns: Columns, row: Sequence[Any]) -> Row | None:
    """Values as a database may compare them; None if one is NULL, because NULL never violates a unique constraint."""
    if None in row:
        return None
    return tuple(
        value if table.comparisons[column].exact or not isinstance(value, str) else value.strip().casefold()
        for column, value in zip(columns, (table.stored(c, v) for c, v in zip(columns, row, strict=True)), strict=True)
    )
