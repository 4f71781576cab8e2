"""Updates memberships when the value that represents their row changes.

All memberships of a step are rewritten together, so that an exchange does not merge the groups of two users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usersyncd.plugin import Kind
from usersyncd_sql import own
from usersyncd_sql.batch import Batch
from usersyncd_sql.faults import Refused
from usersyncd_sql.membership_table import MembershipTable, Representation
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable
from usersyncd_sql.temporary import can_park, tokens


@dataclass(frozen=True, slots=True)
class Move:
    """A row before an update, and the values that were written."""

    directory: str
    held: Mapping[str, Any]
    row: Row


Pair = tuple[Row, Key, Key]
"""Values of the fixed columns, the old value and the new value of a membership."""


def follow(batch: Batch, table: RecordTable, moves: Sequence[Move]) -> None:
    """Rewrite the memberships of rows that are now represented by another value.

    Foreign keys are skipped: they refer to columns that do not change, or the database cascades. Raises Refused.
    """
    if not any(_has_moved(table, move) for move in moves):
        return
    edges = batch.catalog.edges_if_any(batch.writer.connection)
    if edges is None or edges.holds[table.kind] is Representation.REFERENCE:
        return
    pairs = [pair for move in moves if (pair := _pair(table, edges, move)) is not None]
    _rewrite(batch, edges, edges.column_of(table.kind), pairs)
    if table.kind is Kind.GROUP and edges.nested:
        _rewrite(batch, edges, edges.user, _not_of_users(batch, edges, pairs))


def stands_for(table: RecordTable, edges: MembershipTable, directory: str, held: Mapping[str, Any]) -> tuple[str, Key]:
    """The directory and the value by which memberships currently refer to a row.

    A row of an upgraded table that has no record id is represented by its key. Raises Refused.
    """
    if edges.holds[table.kind] is Representation.REFERENCE:
        return directory, held[edges.value[table.kind]]
    if edges.holds[table.kind] is Representation.KEY:
        return directory, _as_key(table, edges, held[table.key])
    if held[edges.value[table.kind]] is None:
        return directory, held[table.key]
    return held[own.DIRECTORY], held[edges.value[table.kind]]


def _as_key(table: RecordTable, edges: MembershipTable, held: Any) -> Key:
    """A row's key, converted to the column type of the membership table. Raises Refused."""
    try:
        return edges.adapt[table.kind](table.attributes({table.key: held}, whole=False)[table.key_attribute])
    except ValueError as error:
        raise Refused(f"the column for a {table.kind} {error}") from None


def _has_moved(table: RecordTable, move: Move) -> bool:
    columns = (table.key, *(table.record or ()))
    return any(table.stored(c, move.held[c]) != move.row[table.place[c]] for c in columns)


def _pair(table: RecordTable, edges: MembershipTable, move: Move) -> Pair | None:
    """The rewrite for one row; None if there is none, or if the row belongs to a record of another directory."""
    where, old = stands_for(table, edges, move.directory, move.held)
    new = move.row[table.place[edges.value[table.kind]]]
    if edges.holds[table.kind] is Representation.KEY:
        new = _as_key(table, edges, new)
    return (tuple(edges.fixed(where).values()), old, new) if where == move.directory and old != new else None


def _rewrite(batch: Batch, edges: MembershipTable, column: str, pairs: Sequence[Pair]) -> None:
    by = [*edges.fixed(""), column]
    olds = {(fixed, old) for fixed, old, _ in pairs}
    colliding = [pair for pair in pairs if (pair[0], pair[2]) in olds]
    if colliding and not can_park(edges, column):
        raise Refused(f"column `{column}` of `{edges.name}` has no room for a temporary value while keys are exchanged")
    spare = list(zip(tokens(batch.writer.connection, edges, column), colliding, strict=False))
    plain = [(new, *fixed, old) for fixed, old, new in pairs if (fixed, new) not in olds]
    for rows in (
        [(token, *fixed, old) for token, (fixed, old, _) in spare],
        plain,
        [(new, *fixed, token) for token, (fixed, _, new) in spare],
    ):
        if rows:
            batch.writer.update(edges, [column], by, rows)


def _not_of_users(batch: Batch, edges: MembershipTable, pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs whose old value is not a user's key: a user with the same key keeps its memberships."""
    users = batch.catalog.records(batch.writer.connection, Kind.USER)
    if edges.holds[Kind.USER] is not Representation.KEY:
        return list(pairs)
    asked = [(old,) for _, old, _ in pairs]
    taken = {n for n, _ in batch.writer.join(users, [users.key], [users.key], asked)}
    return [pair for n, pair in enumerate(pairs) if n not in taken]
