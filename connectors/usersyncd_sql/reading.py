"""Reads rows by key, by record and by target id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from usersyncd.plugin import Held, Lookup
from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import Address, Columns, decode
from usersyncd_sql.reflected import Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.write import Writer

Found = dict[int, list[dict[str, Any]]]
"""Index of a lookup -> the matching rows, each column -> value."""
MemberOf = Callable[[Mapping[str, Any]], str | int | None]


def find(writer: Writer, table: RecordTable, lookups: Sequence[Lookup], whole: bool) -> Iterator[tuple[Lookup, Held]]:
    """The rows with these keys, and the rows that name these records. ``whole``: with all columns."""
    columns = table.looked_at(whole=whole)
    yielded = set()
    if not table.scoped:
        for n, row in _by_key(writer, table, columns, lookups):
            held = _as_asked(table, table.held(row, whole=whole), lookups[n], row[table.key])
            if table.record is not None:
                yielded.add((n, held.target_id))
            yield lookups[n], held
    if table.record is not None:
        records = [(lookup.directory, lookup.id) for lookup in lookups]
        for n, row in _rows(writer, table, columns, table.record, list(enumerate(records))):
            held = table.held(row, whole=whole)
            if (n, held.target_id) not in yielded:
                yield lookups[n], held


def _as_asked(table: RecordTable, held: Held, lookup: Lookup, stored: Any) -> Held:
    """The object with the key in the form of the lookup, if the column holds exactly this key."""
    same = table.agrees((table.key,), (stored,), (table.asked_key(lookup.key),))
    return structs.replace(held, key=lookup.key) if same else held


def read(
    writer: Writer, table: RecordTable, target_ids: Sequence[str], whole: bool, member_of: MemberOf = lambda _: None
) -> Iterator[Held]:
    """The rows with these target ids. Ids that this table cannot have are skipped. ``member_of``: the protected member
    of a row."""
    addresses = {}
    for place, target_id in enumerate(target_ids):
        try:
            addresses[place] = decode(table, target_id)
        except Refused:
            continue
    for rows in by_address(writer, table, addresses, table.looked_at(whole=whole)).values():
        for row in rows:
            held = table.held(row, whole=whole)
            member = member_of(row)
            yield held if member is None else structs.replace(held, protected_member=member)


def by_address(
    writer: Writer, table: RecordTable, wanted: Mapping[int, Address], columns: Sequence[str], *, lock: bool = False
) -> Found:
    """The rows with exactly these addresses. ``lock``: lock them until the end of the transaction."""
    forms: dict[Columns, list[tuple[int, Row]]] = defaultdict(list)
    for place, (by, values) in wanted.items():
        forms[by].append((place, values))
    found: Found = defaultdict(list)
    for by, asked in forms.items():
        for place, row in _rows(writer, table, columns, by, asked, lock=lock):
            found[place].append(row)
    return found


def _by_key(
    writer: Writer, table: RecordTable, columns: Sequence[str], lookups: Sequence[Lookup]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows whose key the database treats as equal to the key of a lookup."""
    places, keys = [], []
    for place, lookup in enumerate(lookups):
        try:
            keys.append((table.asked_key(lookup.key),))
        except Refused:
            continue  # the column cannot hold this key
        places.append(place)
    for n, row in writer.join(table, columns, (table.key,), keys):
        yield places[n], dict(zip(columns, row, strict=True))


def _rows(
    writer: Writer, table: RecordTable, columns: Sequence[str], by: Columns, asked: Sequence[tuple[int, Row]],
    *, lock: bool = False,
) -> Iterator[tuple[int, dict[str, Any]]]:  # fmt: skip
    read = list(dict.fromkeys([*columns, *by]))
    for n, values in writer.join(table, read, by, [row for _, row in asked], lock=lock):
        row = dict(zip(read, values, strict=True))
        place, wanted = asked[n]
        if table.agrees(by, [row[column] for column in by], wanted):
            yield place, row
