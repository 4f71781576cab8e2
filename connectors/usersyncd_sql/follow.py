"""Memberships that hold what a row has given up: they follow it, all of a step at once, so that an exchange does not
merge two people's groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usersyncd.plugin import Kind
from usersyncd_sql import own
from usersyncd_sql.batch import Batch
from usersyncd_sql.edges import EdgeTable, Holds
from usersyncd_sql.faults import Refused
from usersyncd_sql.park import can_park, tokens
from usersyncd_sql.reflected import Key, Row
from usersyncd_sql.tables import RecordTable


@dataclass(frozen=True, slots=True)
class Move:
    """A row as it was, and what was written to it."""

    directory: str
    held: Mapping[str, Any]
    row: Row


Pair = tuple[Row, Key, Key]
"""What narrows an edge down, the old value and the new one."""


def follow(batch: Batch, table: RecordTable, moves: Sequence[Move]) -> None:
    """Rewrite the memberships of rows for which something else stands now.

    Foreign keys need no help: they refer to what does not change, or the database cascades.
    """
    if not any(_has_moved(table, move) for move in moves):
        return
    edges = batch.catalog.edges_if_any(batch.writer.connection)
    if edges is None or edges.holds[table.kind] is Holds.REFERENCE:
        return
    pairs = [pair for move in moves if (pair := _pair(table, edges, move)) is not None]
    _rewrite(batch, edges, edges.column_of(table.kind), pairs)
    if table.kind is Kind.GROUP and edges.nested:
        _rewrite(batch, edges, edges.user, _not_of_users(batch, edges, pairs))


def stands_for(table: RecordTable, edges: EdgeTable, directory: str, held: Mapping[str, Any]) -> tuple[str, Key]:
    """The directory and the value under which the memberships of a row stand now. A row of our own tables that no
    record is known of stands there with its key."""
    if edges.holds[table.kind] is Holds.REFERENCE:
        return directory, held[edges.value[table.kind]]
    if edges.holds[table.kind] is Holds.KEY:
        return directory, _as_key(table, edges, held[table.key])
    if held[edges.value[table.kind]] is None:
        return directory, held[table.key]
    return held[own.DIRECTORY], held[edges.value[table.kind]]


def _as_key(table: RecordTable, edges: EdgeTable, held: Any) -> Key:
    """A row's key as the table of memberships holds it, whose column may be of another type. Raises Refused."""
    try:
        return edges.adapt[table.kind](table.attributes({table.key: held}, whole=False)[table.key_attribute])
    except ValueError as error:
        raise Refused(f"the column for a {table.kind} {error}") from None


def _has_moved(table: RecordTable, move: Move) -> bool:
    columns = (table.key, *(table.record or ()))
    return any(table.stored(c, move.held[c]) != move.row[table.place[c]] for c in columns)


def _pair(table: RecordTable, edges: EdgeTable, move: Move) -> Pair | None:
    """None where nothing is to be rewritten. Groups of another directory's record are not those of this one."""
    where, old = stands_for(table, edges, move.directory, move.held)
    new = move.row[table.place[edges.value[table.kind]]]
    if edges.holds[table.kind] is Holds.KEY:
        new = _as_key(table, edges, new)
    return (tuple(edges.fixed(where).values()), old, new) if where == move.directory and old != new else None


def _rewrite(batch: Batch, edges: EdgeTable, column: str, pairs: Sequence[Pair]) -> None:
    by = [*edges.fixed(""), column]
    olds = {(fixed, old) for fixed, old, _ in pairs}
    colliding = [pair for pair in pairs if (pair[0], pair[2]) in olds]
    if colliding and not can_park(edges, column):
        raise Refused(f"column `{column}` of `{edges.name}` has no room for keys that are exchanged")
    spare = list(zip(tokens(batch.writer.connection, edges, column), colliding, strict=False))
    plain = [(new, *fixed, old) for fixed, old, new in pairs if (fixed, new) not in olds]
    for rows in (
        [(token, *fixed, old) for token, (fixed, old, _) in spare],
        plain,
        [(new, *fixed, token) for token, (fixed, _, new) in spare],
    ):
        if rows:
            batch.writer.update(edges, [column], by, rows)


def _not_of_users(batch: Batch, edges: EdgeTable, pairs: Sequence[Pair]) -> list[Pair]:
    """Where members are held by their key, a user of the same key keeps its memberships."""
    users = batch.catalog.records(batch.writer.connection, Kind.USER)
    if edges.holds[Kind.USER] is not Holds.KEY:
        return list(pairs)
    asked = [(old,) for _, old, _ in pairs]
    taken = {n for n, _ in batch.writer.join(users, [users.key], [users.key], asked)}
    return [pair for n, pair in enumerate(pairs) if n not in taken]
