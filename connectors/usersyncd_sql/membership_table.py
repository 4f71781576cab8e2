"""The membership table: its columns for user and group, and the values that they hold."""

from __future__ import annotations

from enum import Enum

import sqlalchemy as sa

from usersyncd.errors import TargetError
from usersyncd.plugin import Kind
from usersyncd_sql import own
from usersyncd_sql.options import MembershipColumns
from usersyncd_sql.reflected import Reflected
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.values import adapter, text


class Representation(Enum):
    """The value that represents a record in the membership table."""

    RECORD = "its id in its directory"
    KEY = "its key"
    REFERENCE = "another column of its row"


class MembershipTable(Reflected):
    """The membership table. For each kind, ``holds`` is the type of value that represents a record, and ``value`` the
    column of the record's row with this value."""

    def __init__(
        self, connection: sa.Connection, inspector: sa.Inspector, name: str, schema: str | None, target: str,
        records: dict[Kind, RecordTable], chosen: MembershipColumns | None,
    ) -> None:  # fmt: skip
        super().__init__(connection, inspector, name, schema, target, "memberships")
        users, groups = records[Kind.USER], records[Kind.GROUP]
        remedy = "correct `memberships` of the target's options"
        ours = set(own.EDGE_COLUMNS)
        self.nested = False
        if chosen is not None:
            self.user, self.group = chosen.user, chosen.group
            self.column(self.user, remedy)
            self.column(self.group, remedy)
        elif ours <= self.columns.keys() and not self.foreign_keys:
            self.user, self.group, self.nested = own.EDGE_MEMBER, own.EDGE_GROUP, True
        else:
            self.user, self.group = self._referring(users), self._referring(groups)
        self.holds: dict[Kind, Representation] = {}
        self.value: dict[Kind, str] = {}
        for table in (users, groups):
            self.holds[table.kind], self.value[table.kind] = self._what(table)
        self.adapt = {kind: adapter(self.columns[self.column_of(kind)].type, self.backend) or text for kind in Kind}
        self.scoped = self.nested
        self.written = (*([own.DIRECTORY] if self.scoped else []), self.group, self.user)
        self.edges_are_unique = self.is_unique(self.written)
        self.cannot_insert = self.required(self.written)
        self.expect_new = True
        """Whether no added membership was found in the table so far."""

    def column_of(self, kind: Kind) -> str:
        """The column that holds the user or the group."""
        return self.user if kind is Kind.USER else self.group

    def fixed(self, directory: str) -> dict[str, str]:
        """Further columns and values that identify a membership."""
        return {own.DIRECTORY: directory} if self.scoped else {}

    def _what(self, records: RecordTable) -> tuple[Representation, str]:
        column = self.column_of(records.kind)
        for fk in self.foreign_keys:
            if fk["referred_table"] == records.name and fk["constrained_columns"] == [column]:
                return Representation.REFERENCE, str(fk["referred_columns"][0])
        if self.nested and records.record is not None:
            return Representation.RECORD, records.record[-1]
        return Representation.KEY, records.key

    def _referring(self, to: RecordTable) -> str:
        found = [fk["constrained_columns"][0] for fk in self.foreign_keys if fk["referred_table"] == to.name]
        if len(found) == 1:
            return str(found[0])
        what = "no foreign key" if not found else f"{len(found)} foreign keys ({', '.join(found)})"
        raise TargetError(
            f"{self._place} has {what} to `{to.name}`, so its columns for user and group are not known",
            "name them in the target's options: memberships: {user: COLUMN, group: COLUMN}",
        )
