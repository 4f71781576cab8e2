"""Reads the rows of changes before they are written, and refuses rows that are protected or of another record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usersyncd.plugin import PROTECTED, Value
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import Refused, code
from usersyncd_sql.hidden import hidden, may_hide
from usersyncd_sql.identity import Address, decode
from usersyncd_sql.reading import by_address
from usersyncd_sql.reflected import Key
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer

NO_EQUALITY = "42883"
"""PostgreSQL's SQLSTATE for an operator that a type does not have."""
RESTORED = "the target was restored, or its ids were reused"


@dataclass(frozen=True, slots=True)
class Present:
    """A change, and its current row in the table."""

    numbered: Numbered
    address: Address
    row: Mapping[str, Any]


def present(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> list[Present]:
    """The changes that may be written, each with its row. The others are marked absent or refused."""
    whole = batch.context.protects(table.kind)
    addresses: dict[int, Address] = {}
    for number, change in changes:
        try:
            target_id = batch.present_id(change.kind, change.directory, change.id, change.target_id)
            addresses[number] = decode(table, target_id)
        except Refused as error:
            batch.refuse(number, str(error))
    found = by_address(batch.writer, table, addresses, table.looked_at(whole=whole), lock=True)
    unseen = any(number not in found for number in addresses) and may_hide(batch.writer.connection, table)
    rows = []
    for number, change in changes:
        if number not in addresses:
            continue
        candidates = found.get(number, [])
        if not candidates and unseen:
            batch.refuse(number, hidden(table, f"row with {described(addresses[number])}"))
        elif not candidates:
            batch.absent(number)
        elif len(candidates) > 1:
            batch.refuse(number, ambiguous(table, addresses[number], len(candidates)))
        elif not is_same(batch.writer, table, candidates[0], _keys(table, (number, change)), change.before):
            why = not_delivered(table, addresses[number], candidates[0])
            command = f"`usersyncd sync {change.directory} --adopt {change.id}`"
            batch.refuse(
                number, f"{why}\n  → check whose row it is; if it belongs to another record, {command} forgets it"
            )
        elif whole and is_protected(batch, table, candidates[0]):
            batch.refuse(number, PROTECTED)
        else:
            rows.append(Present((number, change), addresses[number], candidates[0]))
    return rows


def is_protected(batch: Batch, table: RecordTable, row: Mapping[str, Any]) -> bool:
    """Whether the configuration protects a row. All its columns have to be in ``row``."""
    held = table.held(row, whole=True)
    return batch.is_protected(table.kind, held.key, held.attributes)


def is_same(
    writer: Writer, table: RecordTable, row: Mapping[str, Any], keys: Sequence[Key], before: Mapping[str, Value] | None
) -> bool:
    """Whether a row is the delivered one: it has one of ``keys``, or more than half of the values in ``before``. Values
    that other rows have too, such as a department, do not count."""
    if before is None or table.scoped or has_key(table, row, keys):
        return True
    shown = table.attributes(row, whole=False)
    telling = {
        column: shown.get(name) == value or table.adapted(name, value) == row[column]
        for name, value in before.items()
        if name != table.key_attribute and value is not None and not isinstance(value, bool)
        if (column := table.names.get(name, name)) in row
    }
    equal = [same for column, same in telling.items() if not (same and _is_shared(writer, table, column, row[column]))]
    # No value can be compared, because the earlier rules had no key: assume that it is the same row.
    return sum(equal) > len(equal) / 2 or (not equal and table.key_attribute not in before)


def _is_shared(writer: Writer, table: RecordTable, column: str, value: Any) -> bool:
    try:
        return len(list(writer.join(table, [table.key], (column,), [(value,)]))) > 1
    except Exception as error:
        # PostgreSQL cannot compare JSON, XML or points, or arrays of them: whether other rows have the value is
        # unknown.
        if code(error) != NO_EQUALITY:
            raise
        return True


def has_key(table: RecordTable, row: Mapping[str, Any], keys: Sequence[Key]) -> bool:
    """Whether a row has one of these keys."""
    held = table.stored(table.key, row[table.key])
    return any(_alike(held, key) for key in keys)


def not_delivered(table: RecordTable, address: Address, row: Mapping[str, Any]) -> str:
    """The reason for refusing a row that is not the delivered one."""
    held = table.attributes({table.key: row[table.key]}, whole=True)
    (name, value), *_ = held.items()
    return f"the row with {described(address)} is not the one that was delivered: it has {name} {value!r}; {RESTORED}"


def ambiguous(table: RecordTable, address: Address, rows: int) -> str:
    """The reason for refusing a target id that matches several rows."""
    by, values = address
    what = ", ".join(f"`{column}` {value!r}" for column, value in zip(by, values, strict=True))
    return f"table `{table.name}` holds {rows} rows with {what}"


def described(address: Address) -> str:
    """An address as text: ``id=7``."""
    return ", ".join(f"{column}={value}" for column, value in zip(*address, strict=True))


def _keys(table: RecordTable, numbered: Numbered) -> list[Key]:
    _, change = numbered
    shapes = [shape for shape in (change.before, change.after) if shape is not None]
    return [
        table.adapted(table.key_attribute, key)
        for key in (change.key, *(shape.get(table.key_attribute) for shape in shapes))
        if key is not None
    ]


def _alike(one: Key, other: Key) -> bool:
    """Whether two keys are equal. Case is ignored, because a trigger of the application may change it."""
    if isinstance(one, str) and isinstance(other, str):
        return one.strip().casefold() == other.strip().casefold()
    return bool(one == other)
