"""Adds and removes memberships."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import repeat

from usersyncd.plugin import Change, Kind, Member
from usersyncd_sql.batch import Batch, Numbered
from usersyncd_sql.faults import Refused, refusal
from usersyncd_sql.hidden import hidden, may_hide
from usersyncd_sql.member_values import Absent, MemberValues
from usersyncd_sql.membership_table import MembershipTable
from usersyncd_sql.reasons import DROPPED, UNTOUCHED
from usersyncd_sql.reflected import Key, Row

PlannedRow = tuple[int, Member, Row]
"""The index of the change in the batch, the member, and the row."""


class MembershipRows:
    """The rows for membership changes. A group or member without a usable row is refused during the iteration."""

    def __init__(self, batch: Batch, table: MembershipTable, changes: Sequence[Numbered]) -> None:
        self._batch, self._table, self._changes = batch, table, changes
        self._groups = MemberValues(batch, table, Kind.GROUP, [(c.directory, group_of(c)) for _, c in changes])
        self._members = {
            kind: MemberValues(
                batch, table, kind, [(c.directory, m) for _, c in changes for m in c.members if m.kind is kind]
            )
            for kind in (Kind if table.nested else (Kind.USER,))
        }
        self._by_id = table.nested and all(ends.by_id for ends in self._members.values())

    def edges(self, *, removing: bool = False) -> Iterator[tuple[int, list[tuple[Member, Row]]]]:
        """For each change its index, and a row for each member. ``removing``: an absent group or member is not an
        error."""
        for number, change, start in self._groups_of_changes():
            if self._by_id:
                yield number, [(member, (*start, member.id)) for member in change.members]
                continue
            rows = []
            for member in change.members:
                if member.kind not in self._members:
                    self._refuse_group(number, member, removing)
                    continue
                try:
                    ends = self._members[member.kind]
                    rows.append((member, (*start, ends.value(change.directory, member))))
                except Absent as error:
                    if not removing:
                        self._batch.miss_member(number, member.id, str(error))
                except Refused as error:
                    self._batch.refuse_member(number, member.id, str(error))
            yield number, rows

    def rows(self) -> Iterator[list[Row]]:
        """The rows of each change that can be written."""
        if not self._by_id:
            yield from ([row for _, row in edges] for _, edges in self.edges())
            return
        for _, change, start in self._groups_of_changes():
            ids = [member.id for member in change.members]
            yield list(zip(*map(repeat, start), ids, strict=False))

    def _groups_of_changes(self) -> Iterator[tuple[int, Change, Row]]:
        """For each change its index, and the beginning of its rows. A change whose group has no usable row is
        refused."""
        for number, change in self._changes:
            try:
                group = self._groups.value(change.directory, group_of(change))
            except Absent:
                self._batch.absent(number)
            except Refused as error:
                self._batch.refuse(number, str(error))
            else:
                yield number, change, (change.directory, group) if self._table.scoped else (group,)

    def _refuse_group(self, number: int, member: Member, removing: bool) -> None:
        if not removing:
            reason = f"is a group, and table `{self._table.name}` holds users only: set memberships: flattened"
            self._batch.refuse_member(number, member.id, reason)


def group_of(change: Change) -> Member:
    """The group of a membership change, as a member."""
    return Member(Kind.GROUP, change.id, change.key, change.target_id)


def add(batch: Batch, changes: Sequence[Numbered]) -> None:
    """Add memberships. An existing one is not an error."""
    table = batch.catalog.edges(batch.writer.connection)
    if table.cannot_insert:
        for number, _ in changes:
            batch.refuse(number, table.why_no_insert())
        return
    requested = MembershipRows(batch, table, changes)
    if table.expect_new and table.edges_are_unique:
        sent: list[int] = []
        # The rows of a group are created while those of the previous group are sent.
        if batch.all_at_once(lambda: _stream(batch, table, requested, sent)):
            return
    edges = [(number, member, row) for number, some in requested.edges() for member, row in some]
    missing = _missing(batch, table, edges)
    table.expect_new = table.expect_new and len(missing) == len(edges)
    refused = batch.halve(missing, lambda some: _insert(batch, table, some))
    for (number, member, _), error in refused:
        batch.refuse_member(number, member.id, str(refusal(error)))


def remove(batch: Batch, changes: Sequence[Numbered]) -> None:
    """Remove memberships. A missing one is not an error."""
    table = batch.catalog.edges(batch.writer.connection)
    groups = [(number, some) for number, some in MembershipRows(batch, table, changes).edges(removing=True) if some]
    if may_hide(batch.writer.connection, table):
        _refuse_unseen(batch, table, groups)

    def work(some: Sequence[tuple[int, list[tuple[Member, Row]]]]) -> None:
        for number, edges in some:
            *start, _ = edges[0][1]
            fixed = dict(zip(table.written, start, strict=False))
            values = {row[-1]: member for member, row in edges}
            if batch.writer.delete(table, fixed, table.user, list(values)) < len(values):
                for (value,) in batch.writer.select(table, [table.user], fixed, table.user, list(values)):
                    batch.refuse_member(number, values[table.stored(table.user, value)].id, UNTOUCHED)

    for (number, _), error in batch.halve(groups, work):
        batch.refuse(number, str(refusal(error)))


def _refuse_unseen(
    batch: Batch, table: MembershipTable, groups: Sequence[tuple[int, list[tuple[Member, Row]]]]
) -> None:
    for number, member, _ in _missing(batch, table, [(number, *edge) for number, edges in groups for edge in edges]):
        batch.refuse_member(number, member.id, hidden(table, "such membership"))


def _stream(batch: Batch, table: MembershipTable, requested: MembershipRows, sent: list[int]) -> None:
    def rows() -> Iterator[Row]:
        for some in requested.rows():
            sent.append(len(some))
            yield from some

    if batch.writer.insert(table, table.written, rows()) != sum(sent):
        raise Refused(DROPPED)


def _insert(batch: Batch, table: MembershipTable, edges: Sequence[PlannedRow]) -> None:
    if batch.writer.insert(table, table.written, [row for _, _, row in edges]) == len(edges):
        return
    for number, member, _ in _missing(batch, table, edges):
        batch.refuse_member(number, member.id, DROPPED)


def _missing(batch: Batch, table: MembershipTable, edges: Sequence[PlannedRow]) -> list[PlannedRow]:
    """The memberships that are not in the table, each once. They are queried group by group, in their order."""
    groups: dict[Row, dict[Key, PlannedRow]] = defaultdict(dict)
    for edge in edges:
        groups[edge[2][:-1]].setdefault(edge[2][-1], edge)
    for start, members in groups.items():
        fixed = dict(zip(table.written, start, strict=False))
        for (user,) in batch.writer.select(table, [table.user], fixed, table.user, list(members)):
            members.pop(user, None)
    return [edge for members in groups.values() for edge in members.values()]
