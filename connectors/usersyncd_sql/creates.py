"""Creates: rows are inserted, and read back if the database assigns the id. An existing row is never taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import encode
from usersyncd_sql.reasons import DROPPED, reason
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable


class New(NamedTuple):
    """A record that is about to be inserted."""

    numbered: Numbered
    key: Key
    row: Row


def create(batch: Batch, table: RecordTable, changes: Sequence[Numbered]) -> None:
    """Insert rows. A row that exists already is refused."""
    if not changes:
        return
    sent: list[New] = []
    if table.expects_new_rows:
        refused: dict[int, str] = {}
        if batch.all_at_once(lambda: _insert(batch, table, _made(batch, table, changes, sent, refused), sent)):
            for number, why in refused.items():
                batch.refuse(number, why)
            return
    items = _absent(batch, table, list(_made(batch, table, changes, [], None)))
    _settle(batch, table, items, lambda some: _insert(batch, table, iter(some), some))


def _made(
    batch: Batch, table: RecordTable, changes: Sequence[Numbered], sent: list[New], refused: dict[int, str] | None
) -> Iterator[New]:
    """A row for each change, created while the previous one is sent. ``sent`` collects the rows."""
    now, place = table.now(batch.now), table.place[table.key]
    for number, change in changes:
        try:
            row = table.row(change, now)
        except Refused as error:
            if refused is None:
                batch.refuse(number, str(error))
            else:
                refused[number] = str(error)
            continue
        item = New((number, change), row[place], row)
        sent.append(item)
        yield item


def _insert(batch: Batch, table: RecordTable, items: Iterator[New], sent: Sequence[New]) -> None:
    """Insert rows and set their target ids. ``sent`` is complete when ``items`` is exhausted."""
    taken = batch.writer.insert(table, table.written, (item.row for item in items))
    missing = len(sent) - taken
    if missing or not set(table.identity) <= set(table.written):
        _read_back(batch, table, sent, missing)
        return
    places = [table.place[column] for column in table.identity]
    for item in sent:
        batch.give(*item.numbered, encode(table.identity, [item.row[place] for place in places]))


def _read_back(batch: Batch, table: RecordTable, sent: Sequence[New], missing: int) -> None:
    """Read the target ids of inserted rows by key. Raises Refused if the table holds a row under another key."""
    by = table.record if table.scoped and table.record is not None else (table.key,)
    places = [table.place[column] for column in by]
    asked = [tuple(item.row[place] for place in places) for item in sent]
    columns = list(dict.fromkeys([*by, *(column for some in table.identities for column in some)]))
    found: dict[int, str] = {}
    for n, values in batch.writer.join(table, columns, by, asked):
        row = dict(zip(columns, values, strict=True))
        if table.agrees(by, [row[column] for column in by], asked[n]):
            found[n] = table.target_id(row)
    lost = [item for n, item in enumerate(sent) if n not in found]
    if lost and not missing:
        raise Refused(
            f"the database stores the row with another `{table.key}` than {lost[0].key!r}: a trigger changes it; let "
            "the rules produce the value that the table will hold"
        )
    for item in lost:
        batch.refuse(item.numbered[0], DROPPED)
    for n, target_id in found.items():
        batch.give(*sent[n].numbered, target_id)


def _absent(batch: Batch, table: RecordTable, items: Sequence[New]) -> list[New]:
    """The items that are not in the table. The others are refused."""
    held = set(_held(batch, table, items))
    table.expect_new = table.expect_new and not held
    taken: dict[tuple[str, Key], str] = {}
    absent = []
    for n, item in enumerate(items):
        number, change = item.numbered
        scope = change.directory if table.scoped else ""
        if (other := taken.setdefault((scope, item.key), change.id)) != change.id:
            batch.refuse(number, f"`{table.key}` {item.key!r} is also the key of {other}")
        elif n in held:
            batch.refuse(number, f"a row with `{table.key}` {item.key!r} already exists in `{table.name}`")
        else:
            absent.append(item)
    return absent


def _held(batch: Batch, table: RecordTable, items: Sequence[New]) -> Iterator[int]:
    """The indexes of the items whose key or record is in the table."""
    forms = {table.record} if table.scoped else {(table.key,), table.record}
    for by in forms - {None}:
        assert by is not None  # noqa: S101 - for the type checker
        asked = [tuple(item.row[table.place[column]] for column in by) for item in items]
        for n, found in batch.writer.join(table, by, by, asked):
            if table.agrees(by, found, asked[n]):
                yield n


def _settle(batch: Batch, table: RecordTable, items: Sequence[New], work: Callable[[Sequence[New]], None]) -> None:
    if items and table.cannot_insert:
        # An insert succeeds only if a trigger fills the columns that no rule sets: one attempt decides for all.
        first, *others = items
        if not batch.all_at_once(lambda: work([first])):
            for item in items:
                batch.refuse(item.numbered[0], table.why_no_insert())
            return
        items = others
    for item, error in batch.halve(items, work):
        batch.refuse(item.numbered[0], reason(batch, table, item.row, {item.key}, error))
