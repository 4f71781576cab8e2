"""The table of users or of groups, and whether the shapes fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Held, Kind, Layout, Op, Value
from usersyncd_sql import own
from usersyncd_sql.faults import Refused
from usersyncd_sql.identity import Columns, encode, identifying
from usersyncd_sql.reflected import Key, Reflected, Row
from usersyncd_sql.to_json import NotJson, json_converter
from usersyncd_sql.values import Adapter, adapter, text

PLAIN = frozenset({str, type(None)})


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """A function that returns the values of these names."""
    if len(names) > 1:
        return itemgetter(*names)  # returns a tuple only for two or more
    return lambda shape: (shape[names[0]],)


def _adapted(values: Iterable[Any], column: str, adapt: Adapter, *, nullable: bool) -> list[Any]:
    """The values of a column, converted to its type. Raises Refused."""
    try:
        adapted = [None if value is None else adapt(value) for value in values]
    except ValueError as error:
        raise Refused(f"column `{column}` {error}") from None
    if not nullable and None in adapted:
        raise Refused(f"column `{column}` accepts no NULL, and the rules give no value")
    return adapted


class RecordTable(Reflected):
    """The table of users or of groups, and how a change becomes a row of it.

    ``record``: the columns that identify the record of a row, in tables that usersyncd created. ``identities``: the
    columns that identify a row, followed by the columns for rows whose record is NULL. ``lenient``: a missing column is
    left out instead of being an error. Raises TargetError if the shapes do not fit.
    """

    def __init__(
        self, connection: sa.Connection, inspector: sa.Inspector, name: str, schema: str | None, target: str,
        kind: Kind, layout: Layout, *, named: bool, lenient: bool,
    ) -> None:  # fmt: skip
        super().__init__(connection, inspector, name, schema, target, f"{kind}s")
        self.kind = kind
        self.names = own.columns_of(layout)
        if lenient:
            self.names = {a: c for a, c in self.names.items() if c in self.columns or a == layout.key}
        for attribute in self.names:
            self._verify(attribute, self.names[attribute])
        self.key_attribute = layout.key
        self.key = self.names[layout.key]
        self.record = self._record(layout, named)
        self.scoped = self.record == (own.DIRECTORY, self.key)
        self.keys_are_unique = self.is_unique((own.DIRECTORY, self.key) if self.scoped else (self.key,))
        self.adapt_key: Adapter = self._adapter(self.key) or text

        special = {
            attribute: column for attribute, column in self.names.items()
            if attribute == layout.key or not self.columns[column].nullable or self._adapter(column)
        }  # fmt: skip
        plain = [attribute for attribute in self.names if attribute not in special]
        self._attributes = (*plain, *special)
        self._get = _getter(self._attributes)
        self._plain = len(plain)
        self._special = [
            (len(plain) + n, c, self._adapter(c) or text, self.columns[c].nullable and a != layout.key)
            for n, (a, c) in enumerate(special.items())
        ]
        ruled = [self.names[attribute] for attribute in self._attributes]
        self.stamps = [c for c in (own.DEACTIVATED_AT, own.UPDATED_AT) if self._is_stamp(c, ruled)]
        self._added = () if self.record is None else tuple(c for c in self.record if c not in ruled)
        self.written = (*ruled, *self._added, *self.stamps)
        self.place = {column: n for n, column in enumerate(self.written)}
        self.identities = self._identities()
        self.cannot_insert = self.required(self.written)
        self.expect_new = True
        """Whether no created record was found in the table so far."""
        self.moving: set[str | None] = set()
        """Target ids of rows whose key changes in this run: their key may differ from the planned one."""
        self._attribute = {column: attribute for attribute, column in self.names.items()}
        self._json_converters = [
            (name, self._attribute.get(name, name), convert)
            for name, column in self.columns.items()
            if (convert := json_converter(column.type)) is not None
        ]

    @property
    def expects_new_rows(self) -> bool:
        """Whether new rows are inserted without a query first: a unique constraint refuses a row that exists."""
        return self.expect_new and self.keys_are_unique and not self.cannot_insert

    @property
    def identity(self) -> Columns:
        """The columns that identify a row."""
        return self.identities[0]

    def target_id(self, row: Mapping[str, Any]) -> str:
        """The target id of a row (column -> value)."""
        for columns in self.identities:
            values = [row[column] for column in columns]
            if None not in values:
                break
        if not self.padded.isdisjoint(columns):
            values = [self.stored(*pair) for pair in zip(columns, values, strict=True)]
        return encode(columns, values)

    def of_record(self, directory: str, id: str) -> str | None:  # noqa: A002 - the word of the contract
        """The target id of a record's row; None if the table has no columns for records."""
        return None if self.record is None else encode(self.record, (directory, id))

    def looked_at(self, *, whole: bool) -> list[str]:
        """The columns to read: the written ones, the identifying ones and the unique sets of both. ``whole``: all."""
        if whole:
            return list(self.columns)
        together = [unique for unique in self.uniques if not set(unique).isdisjoint(self.written)]
        return list(dict.fromkeys([*self.written, *(c for some in (*self.identities, *together) for c in some)]))

    def attributes(self, row: Mapping[str, Any], *, whole: bool) -> dict[str, Value]:
        """The values of a row by attribute name. ``whole``: also the other columns, by column name."""
        shown: dict[str, Any] = {attribute: row[column] for attribute, column in self.names.items() if column in row}
        if whole:
            shown |= {column: value for column, value in row.items() if column not in self._attribute}
        for column, attribute, convert in self._json_converters:
            if attribute in shown and column in row:
                shown[attribute] = convert(shown[attribute])
                if isinstance(shown[attribute], NotJson):
                    del shown[attribute]
        if whole:
            shown |= {column: shown[attribute] for column, attribute in self._attribute.items() if attribute in shown}
        return shown

    def held(self, row: Mapping[str, Any], *, whole: bool) -> Held:
        """A row as an object of the contract. ``whole``: with all columns. A NULL key, as after `key` was changed to
        another column, becomes an empty text."""
        attributes = self.attributes(row, whole=whole)
        record = None if self.record is None else tuple(row[column] for column in self.record)
        known = record if record is not None and None not in record else None
        lasting = known is not None or set(self.identities[-1]).isdisjoint(self.names.values())
        key: Any = attributes.get(self.key_attribute)
        return Held(self.target_id(row), "" if key is None else key, attributes, known, lasting)

    def row(self, change: Change, now: Mapping[str, Any]) -> Row:
        """The row for a change. Raises Refused with the name of the column."""
        left = change.op is Op.DEACTIVATE
        return next(self.rows([change.after or {}], change.directory, [change.id], now, left=left))

    def rows(
        self,
        shapes: Sequence[Mapping[str, Value]],
        directory: str,
        ids: Sequence[str],
        now: Mapping[str, Any],
        *,
        left: bool = False,
    ) -> Iterator[Row]:
        """The rows for these shapes, in the order of ``written``. ``now``: see :meth:`now`; ``left``: they are
        leavers. Raises Refused with the name of the column for the first value that does not fit."""
        columns: list[Iterable[Any]] = list(self._columns(shapes))
        for place, column, adapt, nullable in self._special:
            columns[place] = _adapted(columns[place], column, adapt, nullable=nullable)
        for place in range(self._plain):
            if not PLAIN.issuperset(map(type, columns[place])):
                columns[place] = [value if value is None else text(value) for value in columns[place]]
        columns += [repeat(directory) if column == own.DIRECTORY else ids for column in self._added]
        for stamp in self.stamps:
            if stamp == own.UPDATED_AT or left:
                columns.append(repeat(now[stamp]))
            else:
                columns.append([now[stamp] if shape.get(own.ACTIVE) is False else None for shape in shapes])
        return zip(*columns, strict=False)  # some repeat one value

    def _columns(self, shapes: Sequence[Mapping[str, Value]]) -> Iterable[Sequence[Any]]:
        """The values of each attribute. An attribute that a shape does not have is None."""
        try:
            picked = list(map(self._get, shapes))
        except KeyError:
            picked = [tuple(map(shape.get, self._attributes)) for shape in shapes]
        return zip(*picked, strict=True)

    def now(self, moment: datetime) -> dict[str, Any]:
        """The timestamp columns -> the moment, converted to their types."""
        return {stamp: adapt(moment) for stamp in self.stamps if (adapt := self._adapter(stamp))}

    def asked_key(self, key: Key) -> Key:
        """A key, converted to the type of its column. Raises Refused."""
        try:
            return self.adapt_key(key)
        except ValueError as error:
            raise Refused(f"column `{self.key}` {error}") from None

    def adapted(self, attribute: str, value: Value) -> Any:
        """A value, converted to the type of the attribute's column; unchanged if it does not fit."""
        column = self.names.get(attribute)
        try:
            return value if column is None or value is None else (self._adapter(column) or text)(value)
        except ValueError:
            return value

    def misfit(self, attribute: str, value: Value) -> str | None:
        """The reason for which a value does not fit the attribute's column; None if it fits."""
        column = self.names[attribute]
        if value is None:
            return None if self.columns[column].nullable else f"column `{column}` accepts no NULL"
        try:
            (self._adapter(column) or text)(value)
        except ValueError as error:
            return f"column `{column}` {error}"
        return None

    def _record(self, layout: Layout, named: bool) -> Columns | None:
        if not layout.ruled:
            return (own.DIRECTORY, self.key) if own.DIRECTORY in self.columns else None
        there = not named and all(column in self.columns for column in own.RECORD)
        return own.RECORD if there and not set(own.RECORD) & set(self.names.values()) else None

    def _identities(self) -> list[Columns]:
        if self.record is not None:
            return [self.record] if self.scoped else [self.record, (self.key,)]
        return [identifying(self, self.key, frozenset(self.written))]

    def _adapter(self, column: str) -> Adapter | None:
        return adapter(self.columns[column].type, self.backend)

    def _verify(self, attribute: str, column: str) -> None:
        if attribute == own.ACTIVE and self.kind is Kind.USER:
            remedy, why = "add the column, or set leavers: {delete_after: now}", ", so leavers could not be deactivated"
            instead = "set which values mark the row of a leaver: leavers: {set: …}"
        else:
            remedy, why = f"add the column, or correct `set` of the target's {self.kind}s", ""
            instead = f"remove `{attribute}` from `set` of the target's {self.kind}s"
        if self.column(column, remedy, why).generated:
            raise TargetError(f"{self._place}: column `{column}` is generated by the database", instead)

    def _is_stamp(self, column: str, ruled: list[str]) -> bool:
        if column in ruled or column not in self.columns or (column == own.DEACTIVATED_AT and self.kind is Kind.GROUP):
            return False
        return isinstance(self.columns[column].type, sa.DateTime) and not self.columns[column].generated
