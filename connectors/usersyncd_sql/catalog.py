"""The tables of one target: created where they are ours, read once, and only when something needs them."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from usersyncd.plugin import Kind, Layout
from usersyncd_sql import own
from usersyncd_sql.edges import EdgeTable
from usersyncd_sql.options import SqlOptions
from usersyncd_sql.reflected import Reflected
from usersyncd_sql.tables import RecordTable


class Catalog:
    """Names, definitions and forms of the tables for users, groups and memberships."""

    def __init__(self, options: SqlOptions, layouts: Mapping[Kind, Layout], target: str) -> None:
        self.target, self.schema = target, options.in_schema
        self.layouts, self._create, self._chosen = layouts, options.create_tables, options.memberships
        given = options.tables
        named = {"users": given.users, "groups": given.groups, "memberships": given.memberships}
        self._given = {role for role, name in named.items() if name}
        self.names = {Kind.USER: given.users or "users", Kind.GROUP: given.groups or "groups"}
        self.edges_name = given.memberships or "group_members"
        self._records: dict[Kind, RecordTable] = {}
        self._edges: EdgeTable | None = None

    def own(self) -> list[sa.Table]:
        """The definitions of the tables that are ours to create and to extend. Raises TargetError."""
        tables = list(self.own_records().values())
        return [*tables, own.edge_table(self.edges_name, self.schema)] if self._is_own("memberships") else tables

    def own_records(self) -> dict[Kind, sa.Table]:
        """The definitions of our own tables of records. Raises TargetError."""
        return {
            kind: own.record_table(self.names[kind], self.schema, kind, self.layouts[kind], self.target)
            for kind in Kind
            if self._is_own(f"{kind}s")
        }

    def forget(self) -> None:
        """Read the tables anew: they have been changed."""
        self._records.clear()
        self._edges = None

    def left_out(self, connection: sa.Connection, role: str, name: str) -> bool:
        """Whether the admin, who named other tables, has none for this."""
        return not self._create and bool(self._given) and role not in self._given and not self.has(connection, name)

    def records(self, connection: sa.Connection, kind: Kind) -> RecordTable:
        """The table of one kind. Raises TargetError when it is not there or the shapes do not fit it."""
        if kind not in self._records:
            role = f"{kind}s"
            self._records[kind] = RecordTable(
                connection, self.names[kind], self.schema, self.target, kind, self.layouts[kind],
                named=role in self._given, lenient=self._is_own(role),
            )  # fmt: skip
        return self._records[kind]

    def records_if_any(self, connection: sa.Connection, kind: Kind) -> RecordTable | None:
        """The table of one kind, or None: the admin keeps none, or it is still to be made."""
        role, name = f"{kind}s", self.names[kind]
        if kind not in self._records:
            if self.left_out(connection, role, name) or (self._is_own(role) and not self.has(connection, name)):
                return None
            if self._is_own(role):
                own.verify_key(sa.inspect(connection), self.own_records()[kind], self.target)
        return self.records(connection, kind)

    def records_or_none_yet(self, connection: sa.Connection, kind: Kind) -> RecordTable | None:
        """The table of one kind, of which there are records; None: it is still to be made. Raises TargetError when the
        admin keeps none."""
        found = self.records_if_any(connection, kind)
        return self.records(connection, kind) if found is None and not self._is_own(f"{kind}s") else found

    def edges(self, connection: sa.Connection) -> EdgeTable:
        """The table of memberships. Raises TargetError when it is not there or its columns are not known."""
        if self._edges is None:
            records = {kind: self.records(connection, kind) for kind in Kind}
            self._edges = EdgeTable(connection, self.edges_name, self.schema, self.target, records, self._chosen)
        return self._edges

    def edges_if_any(self, connection: sa.Connection) -> EdgeTable | None:
        """The table of memberships, or None when the admin keeps none: for what must follow a record."""
        if self._edges is None and self.left_out(connection, "memberships", self.edges_name):
            return None
        return self.edges(connection)

    def verify(self, connection: sa.Connection) -> None:
        """Raises TargetError when a table or column is missing that is not ours to make, or may not be read."""
        records = [self.records_if_any(connection, kind) for kind in Kind]
        tables: list[Reflected] = [table for table in records if table is not None]
        if len(tables) == len(Kind) and not self.left_out(connection, "memberships", self.edges_name):
            to_make = self._is_own("memberships") and not self.has(connection, self.edges_name)
            tables += [] if to_make else [self.edges(connection)]
        for table in tables:
            connection.execute(sa.select(*table.light.c).limit(0)).all()

    def has(self, connection: sa.Connection, name: str) -> bool:
        """Whether there is a table or view of this name."""
        inspector = sa.inspect(connection)
        return inspector.has_table(name, self.schema) or name in inspector.get_view_names(self.schema)

    def _is_own(self, role: str) -> bool:
        return self._create and role not in self._given
