"""The tables of one target. usersyncd creates its own; each table is reflected once, when it is first needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import sqlalchemy as sa

from usersyncd.plugin import Kind, Layout
from usersyncd_sql import own
from usersyncd_sql.membership_table import MembershipTable
from usersyncd_sql.options import SqlOptions
from usersyncd_sql.reflected import Reflected
from usersyncd_sql.tables import RecordTable


class Catalog:
    """Names, definitions and reflected forms of the tables for users, groups and memberships."""

    def __init__(self, options: SqlOptions, layouts: Mapping[Kind, Layout], target: str) -> None:
        self.target, self.schema = target, options.in_schema
        self.layouts, self._create, self._chosen = layouts, options.create_tables, options.memberships
        given = options.tables
        named = {"users": given.users, "groups": given.groups, "memberships": given.memberships}
        self._given = {role for role, name in named.items() if name}
        self.names = {Kind.USER: given.users or "users", Kind.GROUP: given.groups or "groups"}
        self.edges_name = given.memberships or "group_members"
        self._records: dict[Kind, RecordTable] = {}
        self._edges: MembershipTable | None = None
        self._inspector: sa.Inspector | None = None

    def own(self) -> list[sa.Table]:
        """The definitions of the tables that usersyncd creates and extends. Raises TargetError."""
        tables = list(self.own_records.values())
        return [*tables, own.edge_table(self.edges_name, self.schema)] if self._is_own("memberships") else tables

    @cached_property
    def own_records(self) -> dict[Kind, sa.Table]:
        """The definitions of the record tables that usersyncd creates. Raises TargetError."""
        return {
            kind: own.record_table(self.names[kind], self.schema, kind, self.layouts[kind], self.target)
            for kind in Kind
            if self._is_own(f"{kind}s")
        }

    def forget(self) -> None:
        """Drop the reflected tables, after a schema change."""
        self._records.clear()
        self._edges = None
        self._inspector = None

    def is_whole(self) -> bool:
        """Whether the tables that usersyncd creates are reflected, with all their columns and correct primary keys."""
        if self._is_own("memberships") and (
            self._edges is None or set(self._edges.primary_key) != set(own.EDGE_COLUMNS)
        ):
            return False
        return all(
            kind in self._records and self._records[kind].columns.keys() >= set(table.columns.keys())
            for kind, table in self.own_records.items()
        )

    def left_out(self, connection: sa.Connection, role: str, name: str) -> bool:
        """Whether the admin named other tables but none for this role."""
        return not self._create and bool(self._given) and role not in self._given and not self.has(connection, name)

    def records(self, connection: sa.Connection, kind: Kind) -> RecordTable:
        """The table of one kind. Raises TargetError if it does not exist or the shapes do not fit it."""
        if kind not in self._records:
            role = f"{kind}s"
            self._records[kind] = RecordTable(
                connection, self._inspect(connection), self.names[kind], self.schema, self.target, kind,
                self.layouts[kind], named=role in self._given, lenient=self._is_own(role),
            )  # fmt: skip
        return self._records[kind]

    def known(self, kind: Kind) -> RecordTable | None:
        """The table of one kind, if it is already reflected."""
        return self._records.get(kind)

    def records_if_any(self, connection: sa.Connection, kind: Kind) -> RecordTable | None:
        """The table of one kind; None if the admin has none, or if it is not created yet."""
        role, name = f"{kind}s", self.names[kind]
        if kind not in self._records:
            if self.left_out(connection, role, name) or (self._is_own(role) and not self.has(connection, name)):
                return None
            if self._is_own(role):
                own.verify_key(self._inspect(connection), self.own_records[kind], self.target)
        return self.records(connection, kind)

    def records_or_none_yet(self, connection: sa.Connection, kind: Kind) -> RecordTable | None:
        """The table of a kind that has records; None if it is not created yet. Raises TargetError if the admin has
        none."""
        found = self.records_if_any(connection, kind)
        return self.records(connection, kind) if found is None and not self._is_own(f"{kind}s") else found

    def edges(self, connection: sa.Connection) -> MembershipTable:
        """The membership table. Raises TargetError if it does not exist or its columns are not known."""
        if self._edges is None:
            records = {kind: self.records(connection, kind) for kind in Kind}
            self._edges = MembershipTable(
                connection, self._inspect(connection), self.edges_name, self.schema, self.target, records, self._chosen
            )
        return self._edges

    def edges_if_any(self, connection: sa.Connection) -> MembershipTable | None:
        """The membership table, or None if the admin has none. For memberships that follow their record."""
        if self._edges is None and self.left_out(connection, "memberships", self.edges_name):
            return None
        return self.edges(connection)

    def reflected(self) -> list[RecordTable | MembershipTable]:
        """The reflected tables."""
        return [*self._records.values(), *([] if self._edges is None else [self._edges])]

    def verify(self, connection: sa.Connection) -> None:
        """Check the tables. Raises TargetError if a table or column of the admin is missing, or may not be read."""
        records = [self.records_if_any(connection, kind) for kind in Kind]
        tables: list[Reflected] = [table for table in records if table is not None]
        if len(tables) == len(Kind) and not self.left_out(connection, "memberships", self.edges_name):
            to_make = self._is_own("memberships") and not self.has(connection, self.edges_name)
            tables += [] if to_make else [self.edges(connection)]
        for table in tables:
            connection.execute(sa.select(*table.light.c).limit(0)).all()

    def has(self, connection: sa.Connection, name: str) -> bool:
        """Whether a table or view with this name exists."""
        inspector = self._inspect(connection)
        return inspector.has_table(name, self.schema) or name in inspector.get_view_names(self.schema)

    def _inspect(self, connection: sa.Connection) -> sa.Inspector:
        """The inspector of a connection: it keeps what it has read, so that nothing is queried twice."""
        if self._inspector is None or self._inspector.bind is not connection:
            self._inspector = sa.inspect(connection)
        return self._inspector

    def _is_own(self, role: str) -> bool:
        return self._create and role not in self._given
