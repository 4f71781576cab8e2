"""Users and groups: create, update, deactivate, reactivate, delete.

All but a delete bring one whole shape to one row: a row that stands there under the key is updated, otherwise one is
inserted. That makes every one of them repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from usersyncd.plugin import Change, Kind, Op
from usersyncd_sql import own
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import Refused, is_unique, refusal
from usersyncd_sql.memberships import forget, rename
from usersyncd_sql.tables import Key, RecordTable, Row


@dataclass(frozen=True, slots=True)
class Item:
    """One record on its way: ``held`` is the key that its row has now, ``key`` the one that it shall have."""

    number: int
    change: Change
    held: Key
    key: Key
    row: Row


def write(batch: Batch, kind: Kind, changes: Sequence[Numbered]) -> None:
    """Bring records to their shapes."""
    table = batch.catalog.records(batch.writer.connection, kind)
    if _only_new(table, changes) and batch.all_at_once(lambda: _stream(batch, table, changes)):
        return
    items = _items(batch, table, changes)
    inserts, updates = _sort(batch, table, items)
    table.expect_new = table.expect_new and all(item.change.op is not Op.CREATE for item in updates)
    # Updates first: they may let go of a value, an address perhaps, that a new record takes over.
    _settle(batch, table, updates, lambda some: _update(batch, table, some))
    if inserts and table.cannot_insert:
        # Unless a trigger fills the columns that no rule sets, no row goes in: one attempt tells for all.
        first, *inserts = inserts
        if not batch.all_at_once(lambda: _insert(batch, table, [first])):
            for item in (first, *inserts):
                batch.refuse(item.number, table.why_no_insert())
            return
    _settle(batch, table, inserts, lambda some: _insert(batch, table, some))


def delete(batch: Batch, kind: Kind, changes: Sequence[Numbered]) -> None:
    """Delete records, their memberships first. What is not there is no error."""
    table = batch.catalog.records(batch.writer.connection, kind)
    items = []
    for number, change in changes:
        try:
            items.append((number, change.directory, _held(table, change)))
        except Refused as misfit:
            batch.refuse(number, str(misfit))

    def work(some: Sequence[tuple[int, str, Key]]) -> None:
        for directory in dict.fromkeys(directory for _, directory, _ in some):
            keys = [key for _, where, key in some if where == directory]
            forget(batch, kind, directory, keys)
            batch.writer.delete(table, table.fixed(directory), table.key, keys)

    for (number, _, _), error in batch.halve(items, work):
        batch.refuse(number, str(refusal(error)))


def _items(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> list[Item]:
    now, place = table.now(batch.now), table.written.index(table.key)
    items = []
    for number, change in changes:
        try:
            row = table.row(change, now)
            items.append(Item(number, change, _held(table, change), row[place], row))
        except Refused as error:
            batch.refuse(number, str(error))
    return items


def _held(table: RecordTable, change: Change) -> Key:
    try:
        return table.adapt_key(change.key)
    except ValueError as error:
        raise Refused(f"column `{table.key}` {error}") from None


def _only_new(table: RecordTable, changes: Sequence[Numbered]) -> bool:
    """Whether to insert without looking: the table itself refuses a row that is there."""
    return (
        table.expect_new
        and table.keys_are_unique
        and not table.cannot_insert
        and all(change.op is Op.CREATE for _, change in changes)
    )


def _sort(batch: Batch, table: RecordTable, items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """What is to be inserted, and what to be updated. A row that is there under its new key has been renamed before."""
    wanted = [(item.change.directory, key) for item in items for key in {item.held, item.key}]
    found = batch.find(table, table.key, wanted)
    inserts: list[Item] = []
    updates: list[Item] = []
    taken: dict[tuple[str, Key], str] = {}
    for item in items:
        directory = item.change.directory if table.scoped else ""
        old, new = (found.get((item.change.directory, key), []) for key in (item.held, item.key))
        if (other := taken.setdefault((directory, item.key), item.change.id)) != item.change.id:
            batch.refuse(item.number, f"`{table.key}` {item.key!r} is that of {other}, too")
        elif len(old) > 1 or len(new) > 1:
            rows = max(len(old), len(new))
            batch.refuse(item.number, f"table `{table.name}` holds {rows} rows with `{table.key}` {item.key!r}")
        elif item.held != item.key and old and new:
            batch.refuse(item.number, f"`{table.key}` {item.key!r} already belongs to another row of `{table.name}`")
        elif old or new:
            updates.append(item if old else Item(item.number, item.change, item.key, item.key, item.row))
        else:
            inserts.append(item)
    return inserts, updates


def _stream(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> None:
    """Insert what is new, one row made while the one before is on its way."""
    now = table.now(batch.now)

    def rows() -> Iterator[Row]:
        for number, change in changes:
            try:
                yield table.row(change, now)
            except Refused as error:
                batch.refuse(number, str(error))

    batch.writer.insert(table, table.written, rows())


def _insert(batch: Batch, table: RecordTable, items: Sequence[Item]) -> None:
    batch.writer.insert(table, table.written, [item.row for item in items])


def _update(batch: Batch, table: RecordTable, items: Sequence[Item]) -> None:
    # An update says nothing of when somebody left; the other operations do.
    silent = own.DEACTIVATED_AT in table.stamps
    for says, left_out in ((True, {own.DIRECTORY}), (False, {own.DIRECTORY, own.DEACTIVATED_AT})):
        columns = [column for column in table.written if column not in left_out]
        places = [table.written.index(column) for column in columns]
        rows = [
            (*(item.row[place] for place in places), *table.fixed(item.change.directory).values(), item.held)
            for item in items
            if (item.change.op is not Op.UPDATE or not silent) is says
        ]
        if rows:
            batch.writer.update(table, columns, table.identity, rows)
    for item in items:
        if item.held != item.key:
            rename(batch, table.kind, item.change.directory, item.held, item.key)


def _settle(batch: Batch, table: RecordTable, items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> None:
    refused = batch.halve(items, work)
    # Who stumbled over a value that another gave up in this very batch succeeds now.
    while any(is_unique(error) for _, error in refused):
        again = batch.halve([item for item, _ in refused], work)
        if len(again) == len(refused):
            break
        refused = again
    for item, error in refused:
        batch.refuse(item.number, _reason(batch, table, item, error))


def _reason(batch: Batch, table: RecordTable, item: Item, error: Exception) -> str:
    """Why a record is refused; where another row holds what must be unique, whose it is."""
    reason = str(refusal(error))
    if not is_unique(error):
        return reason
    held = dict(zip(table.written, item.row, strict=True))
    for unique in table.uniques:
        if any(held.get(column) is None for column in unique):
            continue
        *others, last = unique
        for row in batch.writer.select(table, [table.key], {c: held[c] for c in others}, last, [held[last]]):
            if (other := table.stored_key(row[0])) not in {item.held, item.key}:
                value = ", ".join(f"`{column}` {held[column]!r}" for column in unique)
                return f"{value} already belongs to the row with `{table.key}` {other!r}: {reason}"
    return reason
