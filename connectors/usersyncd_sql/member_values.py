"""The two ends of memberships: the value that represents each record in the membership table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from usersyncd.plugin import PROTECTED, Kind, Member
from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import Refused
from usersyncd_sql.follow import stands_for
from usersyncd_sql.hidden import hidden, may_hide
from usersyncd_sql.identity import Address, decode
from usersyncd_sql.membership_table import MembershipTable, Representation
from usersyncd_sql.present import ambiguous, described, has_key, is_protected, not_delivered
from usersyncd_sql.reading import by_address
from usersyncd_sql.reflected import Key
from usersyncd_sql.tables import RecordTable


class Absent(Refused):
    """The record has no row."""


@dataclass(frozen=True, slots=True)
class _Row:
    address: Address
    rows: list[dict[str, Any]]


class MemberValues:
    """The values that represent the records of one kind. All rows that a batch names are read at once by target id.

    Tables that hold record ids are not read, unless the configuration protects objects of this kind.
    """

    def __init__(self, batch: Batch, edges: MembershipTable, kind: Kind, members: Iterable[tuple[str, Member]]) -> None:
        self._batch, self._edges = batch, edges
        self._table: RecordTable = batch.catalog.records(batch.writer.connection, kind)
        self._whole = batch.context.protects(kind)
        self._found: dict[str | None, _Row | Refused] = {}
        self._own = edges.holds[kind] is Representation.RECORD and not self._whole
        # The start of a target id that `encode` writes for a record of a table that usersyncd created.
        self._prefix = '{"directory":'
        wanted = dict.fromkeys(
            self._present_id(directory, member)
            for directory, member in members
            if not self._own or not self._is_record(member)
        )
        self.by_id = self._own and not wanted
        """Whether the membership table holds the ids of all these records, so that no row must be read."""
        self._look_up(list(wanted))

    def value(self, directory: str, member: Member) -> Any:
        """The value that represents a record. Raises Refused if it may not be used, Absent if its row does not exist.

        A row with another key than planned is refused: it may belong to another record.
        """
        if self._own and self._is_record(member):
            return member.id
        target_id = self._present_id(directory, member)
        found = self._found[target_id]
        if isinstance(found, Refused):
            raise found
        if not found.rows and self._unseen:
            raise Refused(hidden(self._table, f"row with {described(found.address)}"))
        if not found.rows:
            raise Absent(f"table `{self._table.name}` has no row with {described(found.address)}")
        row = self._one(found, target_id, member)
        where, value = stands_for(self._table, self._edges, directory, row)
        if self._edges.scoped and where != directory:
            raise Refused(f"its row belongs to a record of {where}")
        return value

    def _one(self, found: _Row, target_id: str | None, member: Member) -> Mapping[str, Any]:
        if len(found.rows) > 1:
            raise Refused(ambiguous(self._table, found.address, len(found.rows)))
        (row,) = found.rows
        key: Key = self._table.adapted(self._table.key_attribute, member.key)
        as_planned = target_id == member.target_id and target_id not in self._table.moving
        if as_planned and not has_key(self._table, row, [key]):
            raise Refused(f"{not_delivered(self._table, found.address, row)}: check whose row it is")
        if self._whole and is_protected(self._batch, self._table, row):
            raise Refused(PROTECTED)
        return row

    def _is_record(self, member: Member) -> bool:
        return member.target_id is None or member.target_id.startswith(self._prefix)

    def _present_id(self, directory: str, member: Member) -> str | None:
        return self._batch.present_id(self._table.kind, directory, member.id, member.target_id) or (
            self._table.of_record(directory, member.id)
        )

    def _look_up(self, target_ids: list[str | None]) -> None:
        addresses: dict[int, Address] = {}
        for place, target_id in enumerate(target_ids):
            try:
                addresses[place] = decode(self._table, target_id)
            except Refused as error:
                self._found[target_id] = error
        columns = self._table.looked_at(whole=self._whole)
        if (value := self._edges.value[self._table.kind]) not in columns:
            columns.append(value)
        rows = by_address(self._batch.writer, self._table, addresses, columns)
        for place, address in addresses.items():
            self._found[target_ids[place]] = _Row(address, rows.get(place, []))
        connection = self._batch.writer.connection
        self._unseen = any(place not in rows for place in addresses) and may_hide(connection, self._table)
