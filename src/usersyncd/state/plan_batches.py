"""Reads the steps of a plan in the order of their delivery, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sqlite3 import Connection

from msgspec import structs

from usersyncd.core.plan import Section, kind_of
from usersyncd.plugin import Kind
from usersyncd.state import planned
from usersyncd.state.bulk import batched
from usersyncd.state.planned import COLUMNS, ORDER, QUIET, Batch, PlannedChange, PlannedCreates, step_of

MANY = 1_000
"""From this number of creates on, they are read as columns."""
ALL = ", ".join(COLUMNS)
_CREATES = (
    f"section IN ({int(Section.USERS_NEW)}, {int(Section.GROUPS_NEW)}) AND chain = 0 AND op = 'create' "
    "AND before IS NULL AND counted"
)
"""The creates that are nothing else: they wait for no key, and replace no object."""


def batches(file: Connection, changes: int, creates: int, edges: int) -> Iterator[Batch]:
    """All steps in the order of their delivery, with at most ``changes`` changes, ``creates`` creates as columns, or
    ``edges`` members in a batch.

    A batch has either records or memberships, because a record that is refused cannot become a member. A chain of
    keys is never split. Many creates of one kind and directory are batches of columns. Fallbacks come last.
    """
    batch: list[PlannedChange] = []
    weight = 0
    for step in _pieces(file, creates):
        if isinstance(step, PlannedCreates):
            if batch:
                yield batch
                batch, weight = [], 0
            yield step
            continue
        full = len(batch) >= changes or weight + len(step.members) > edges
        chained = bool(batch) and step.chain != 0 and step.chain == batch[-1].chain
        if batch and not chained and (full or bool(step.members) is not bool(batch[-1].members)):
            yield batch
            batch, weight = [], 0
        batch.append(step)
        weight += len(step.members)
    if batch:
        yield batch
    if fallbacks := list(_fallbacks(file)):
        yield from batched(fallbacks, changes)


def _pieces(file: Connection, size: int) -> Iterator[PlannedChange | PlannedCreates]:
    """All steps in the order of their delivery, long rows of creates as columns of up to ``size``."""
    query = (
        f"SELECT section, directory FROM changes WHERE {_CREATES} GROUP BY section, directory "  # noqa: S608
        f"HAVING count(*) >= {MANY} ORDER BY section, directory"
    )
    after, place = f"section >= {QUIET}", "(section, chain, directory)"
    values: tuple[object, ...] = ()
    for section_, directory in file.execute(query).fetchall():
        here = section_, 0, directory
        yield from _to_deliver(file, f"{after} AND {place} < (?, ?, ?)", *values, *here)
        yield from _creates(file, kind_of(Section(section_)), *here, size)
        yield from _to_deliver(file, f"{place} = (?, ?, ?) AND NOT ({_CREATES})", *here)
        after, values = f"{place} > (?, ?, ?)", here
    yield from _to_deliver(file, after, *values)


def _creates(
    file: Connection, kind: Kind, place: int, chain: int, directory: str, size: int
) -> Iterator[PlannedCreates]:
    query = (
        "SELECT ref, id, key, after, active FROM changes "  # noqa: S608
        f"WHERE section = ? AND chain = ? AND directory = ? AND {_CREATES} ORDER BY {ORDER}"
    )
    cursor = file.execute(query, (place, chain, directory))
    while rows := cursor.fetchmany(size):
        yield planned.creates(kind, directory, rows)


def steps(file: Connection, where: str = "TRUE", *values: object, order: str = ORDER) -> Iterator[PlannedChange]:
    """The steps for which a condition holds."""
    return _read(file, ALL, where, values, order)


def _to_deliver(file: Connection, where: str, *values: object) -> Iterator[PlannedChange]:
    """The steps for which a condition holds, with the refs of the members alone: just before the delivery, the members
    are read as they are then."""
    return _read(file, ALL.replace("people", "NULL"), where, values, ORDER)


def _read(file: Connection, columns: str, where: str, values: Iterable[object], order: str) -> Iterator[PlannedChange]:
    query = f"SELECT {columns} FROM changes WHERE {where} ORDER BY {order}"  # noqa: S608
    return map(step_of, file.execute(query, tuple(values)))


def _fallbacks(file: Connection) -> Iterator[PlannedChange]:
    """The steps of leavers whose objects are adopted, for the case that the adoption is refused."""
    for found in file.execute(f"SELECT {ALL} FROM fallbacks ORDER BY id"):  # noqa: S608
        yield structs.replace(step_of(found), left=True, chain=0, takes=None, counted=True, fallback=True)
