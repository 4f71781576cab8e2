"""Which updates of a batch take what must be unique from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.identity import Address, Columns
from usersyncd_sql.park import parking
from usersyncd_sql.reflected import Row
from usersyncd_sql.tables import RecordTable


@dataclass(frozen=True, slots=True)
class Item:
    """A row on its way: as it is, and as it is to be."""

    numbered: Numbered
    address: Address
    held: Mapping[str, Any]
    row: Row


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that must be unique, which ``holder`` has now and ``taker`` is to have."""

    taker: int
    holder: int
    column: str | None
    """In which the holder can have another value for a moment; None: it has to go first."""
    guarded: bool = True
    """Whether a constraint of the table would speak up."""


def of_free_keys(batch: Batch, table: RecordTable, items: Sequence[Item]) -> list[Item]:
    """Where no constraint keeps keys apart: those whose new key no other row has, but one that gives it up here."""
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
    """Who takes a value that must be unique from whom."""
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
                yield Conflict(place, holder, column, guarded)


def _future(table: RecordTable, unique: Columns, item: Item) -> Row | None:
    row = [item.row[table.place[c]] if c in table.place else item.held[c] for c in unique]
    return _folded(table, unique, row)


def _folded(table: RecordTable, columns: Columns, row: Sequence[Any]) -> Row | None:
    """Values as a database might compare them; None where one is NULL: that is unique by itself."""
    if None in row:
        return None
    return tuple(
        value if table.comparisons[column].exact or not isinstance(value, str) else value.strip().casefold()
        for column, value in zip(columns, (table.stored(c, v) for c, v in zip(columns, row, strict=True)), strict=True)
    )
