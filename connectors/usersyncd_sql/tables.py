"""The tables as they stand in the database, and whether the shapes fit them. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from usersyncd.errors import TargetError
from usersyncd.plugin import Change, Kind, Layout, Op
from usersyncd_sql import own
from usersyncd_sql.faults import Refused
from usersyncd_sql.options import MembershipColumns
from usersyncd_sql.values import Adapter, adapter, text

Key = Any
"""A key as the driver takes and gives it: text, number or UUID."""

Row = tuple[Any, ...]
PLAIN = frozenset({str, type(None)})


class Reflected:
    """One table of the database: its columns, what must be unique, and what an insert must not leave out."""

    def __init__(self, connection: sa.Connection, name: str, schema: str | None, target: str, role: str) -> None:
        inspector = sa.inspect(connection)
        self.name = name
        self.backend = connection.dialect.name
        self.cannot_insert: tuple[str, ...] = ()
        self._place = f"target {target}: table `{name}`"
        if not inspector.has_table(name, schema) and name not in inspector.get_view_names(schema):
            names = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
            raise TargetError(
                f"{self._place} does not exist{_nearest(name, names)}",
                f"name the table of {role} under `tables`, or let usersyncd make its own: create_tables: true",
            )
        self.columns = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False).columns
        # Statements are built on a table without types: values are adapted here, not by SQLAlchemy.
        self.light = sa.table(name, *(sa.column(column.name) for column in self.columns), schema=schema)
        self.uniques = list(_uniques(inspector, name, schema))
        self.foreign_keys = inspector.get_foreign_keys(name, schema)
        self.primary_key = inspector.get_pk_constraint(name, schema)["constrained_columns"]

    def column(self, name: str, remedy: str, why: str = "") -> sa.Column[Any]:
        """The column of this name. Raises TargetError, naming the nearest."""
        if name in self.columns:
            return self.columns[name]
        raise TargetError(f"{self._place} has no column `{name}`{why}{_nearest(name, self.columns.keys())}", remedy)

    def is_unique(self, columns: Iterable[str]) -> bool:
        """Whether two rows can never agree in these columns."""
        wanted = set(columns)
        return any(wanted.issuperset(unique) for unique in self.uniques)

    def why_no_insert(self) -> str:
        """What ``cannot_insert`` means to a person."""
        columns = ", ".join(f"`{column}`" for column in self.cannot_insert)
        return f"table `{self.name}` takes no new row without {columns}, which no rule sets: give it a default"

    def required(self, written: Iterable[str]) -> tuple[str, ...]:
        """Columns that take no NULL, have no default and are not written: no row can be inserted."""
        counted = self.columns[self.primary_key[0]] if len(self.primary_key) == 1 else None
        return tuple(
            column.name
            for column in self.columns
            if column.name not in set(written)
            and not column.nullable
            and column.server_default is None
            and column.autoincrement is not True
            # INTEGER PRIMARY KEY is the row's number in SQLite.
            and not (self.backend == "sqlite" and column is counted and isinstance(column.type, sa.Integer))
        )


class RecordTable(Reflected):
    """The table of users or of groups, and how a change becomes a row of it.

    A row is identified by its key, together with its directory when the table is laid out like our own.
    """

    def __init__(
        self, connection: sa.Connection, name: str, schema: str | None, target: str, kind: Kind, layout: Layout
    ) -> None:
        super().__init__(connection, name, schema, target, f"{kind}s")
        self.kind = kind
        names = own.columns_of(layout)
        for attribute in names:
            self._verify(attribute, names[attribute])
        self.key_attribute = layout.key
        self.key = names[layout.key]
        self.scoped = not layout.ruled and own.DIRECTORY in self.columns
        self.identity = (own.DIRECTORY, self.key) if self.scoped else (self.key,)
        self.keys_are_unique = self.is_unique(self.identity)
        self.adapt_key: Adapter = self._adapter(self.key) or text

        special = {
            attribute: column for attribute, column in names.items()
            if attribute == layout.key or not self.columns[column].nullable or self._adapter(column)
        }  # fmt: skip
        plain = [attribute for attribute in names if attribute not in special]
        self._attributes = (*plain, *special)
        self._get = itemgetter(*self._attributes) if len(self._attributes) > 1 else None
        self._plain = len(plain)
        self._special = [
            (len(plain) + n, c, self._adapter(c) or text, self.columns[c].nullable and a != layout.key)
            for n, (a, c) in enumerate(special.items())
        ]
        self.stamps = [c for c in (own.DEACTIVATED_AT, own.UPDATED_AT) if self._is_stamp(c, names.values())]
        self.written = (
            *(names[attribute] for attribute in self._attributes),
            *([own.DIRECTORY] if self.scoped else []),
            *self.stamps,
        )
        self.cannot_insert = self.required(self.written)
        self.expect_new = True
        """Whether a record that is to be created has never been found there already."""

    def fixed(self, directory: str) -> dict[str, str]:
        """What narrows a key down to one row."""
        return {own.DIRECTORY: directory} if self.scoped else {}

    def row(self, change: Change, now: dict[str, Any]) -> Row:
        """The whole row that a change asks for, in the order of ``written``. Raises Refused, naming the column."""
        after = change.after or {}
        try:
            values = list(self._get(after)) if self._get else [after[self._attributes[0]]]
        except KeyError:
            values = [after.get(attribute) for attribute in self._attributes]
        for place, column, adapt, nullable in self._special:
            if values[place] is not None:
                try:
                    values[place] = adapt(values[place])
                except ValueError as error:
                    raise Refused(f"column `{column}` {error}") from None
            elif not nullable:
                raise Refused(f"column `{column}` takes no NULL, and the rules give no value")
        if not PLAIN.issuperset(map(type, values[: self._plain])):
            values[: self._plain] = [v if v is None else text(v) for v in values[: self._plain]]
        if self.scoped:
            values.append(change.directory)
        for stamp in self.stamps:
            left = change.op is Op.DEACTIVATE or after.get(own.ACTIVE) is False
            values.append(now[stamp] if stamp == own.UPDATED_AT or left else None)
        return tuple(values)

    def now(self, moment: datetime) -> dict[str, Any]:
        """The moment as the columns for it take it."""
        return {stamp: adapt(moment) for stamp in self.stamps if (adapt := self._adapter(stamp))}

    def stored_key(self, value: Key) -> Key:
        """A key as it was read: PostgreSQL fills CHAR with spaces."""
        padded = isinstance(value, str) and isinstance(self.columns[self.key].type, sa.CHAR)
        return value.rstrip(" ") if padded else value

    def _adapter(self, column: str) -> Adapter | None:
        return adapter(self.columns[column], self.backend)

    def _verify(self, attribute: str, column: str) -> None:
        if attribute == own.ACTIVE and self.kind is Kind.USER:
            remedy = "add the column, or set leavers: {delete_after: now}"
            self.column(column, remedy, ", so leavers could not be deactivated")
        else:
            self.column(column, f"add the column, or correct `set` of the target's {self.kind}s")

    def _is_stamp(self, column: str, ruled: Iterable[str]) -> bool:
        if column in ruled or column not in self.columns or (column == own.DEACTIVATED_AT and self.kind is Kind.GROUP):
            return False
        return isinstance(self.columns[column].type, sa.DateTime)


class EdgeTable(Reflected):
    """The table of memberships: which columns hold user and group, and what they hold.

    ``user_ref`` and ``group_ref`` are the columns that its foreign keys refer to; None where it holds the key itself.
    """

    def __init__(
        self, connection: sa.Connection, name: str, schema: str | None, target: str,
        users: RecordTable, groups: RecordTable, chosen: MembershipColumns | None,
    ) -> None:  # fmt: skip
        super().__init__(connection, name, schema, target, "memberships")
        remedy = "correct `memberships` of the target's options"
        ours = set(own.EDGE_COLUMNS)
        self.nested = False
        if chosen is not None:
            self.user, self.group = chosen.user, chosen.group
            self.column(self.user, remedy)
            self.column(self.group, remedy)
        elif ours <= set(self.columns.keys()) and not self.foreign_keys:
            self.user, self.group, self.nested = own.EDGE_MEMBER, own.EDGE_GROUP, True
        else:
            self.user, self.group = self._referring(users), self._referring(groups)
        self.user_ref, self.group_ref = self._referred(self.user, users), self._referred(self.group, groups)
        self.adapt_user = adapter(self.columns[self.user], self.backend) or text
        self.adapt_group = adapter(self.columns[self.group], self.backend) or text
        self.scoped = self.nested
        self.written = (*([own.DIRECTORY] if self.scoped else []), self.group, self.user)
        self.edges_are_unique = self.is_unique(self.written)
        self.cannot_insert = self.required(self.written)
        self.expect_new = True
        """Whether an edge that is to be added has never been found there already."""

    def fixed(self, directory: str) -> dict[str, str]:
        """What narrows a pair of keys down to one edge."""
        return {own.DIRECTORY: directory} if self.scoped else {}

    def _referring(self, to: RecordTable) -> str:
        found = [fk["constrained_columns"][0] for fk in self.foreign_keys if fk["referred_table"] == to.name]
        if len(found) == 1:
            return str(found[0])
        what = "no foreign key" if not found else f"{len(found)} foreign keys ({', '.join(found)})"
        raise TargetError(
            f"{self._place} has {what} to `{to.name}`, so its columns for user and group are not known",
            "say which they are in the target's options: memberships: {user: COLUMN, group: COLUMN}",
        )

    def _referred(self, column: str, to: RecordTable) -> str | None:
        for fk in self.foreign_keys:
            if fk["referred_table"] == to.name and fk["constrained_columns"] == [column]:
                return str(fk["referred_columns"][0])
        return None


def _uniques(inspector: sa.Inspector, name: str, schema: str | None) -> Iterable[tuple[str, ...]]:
    if primary := inspector.get_pk_constraint(name, schema)["constrained_columns"]:
        yield tuple(primary)
    for unique in inspector.get_unique_constraints(name, schema):
        yield tuple(unique["column_names"])
    for index in inspector.get_indexes(name, schema):
        partial = any(key.endswith("_where") for key in index.get("dialect_options", {}))
        columns = index["column_names"]
        if index["unique"] and not partial and None not in columns:
            yield tuple(str(column) for column in columns)


def _nearest(name: str, names: Iterable[str]) -> str:
    near = get_close_matches(name, list(names), n=1)
    return f"; the nearest is `{near[0]}`" if near else ""
