"""Stores the harm that past deliveries did and that is still in effect. The guard counts it together with the next
plan."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence, Set
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.sql import ColumnElement

from usersyncd.core.approvals import NOTHING_APPROVED, Approved
from usersyncd.core.digest import pack, unpack
from usersyncd.core.guard import EMPTIED, HARMFUL, REMOVAL, Harm, Sort, Window, harms_of, undoes, within
from usersyncd.core.model import Guard
from usersyncd.plugin import Change, Op
from usersyncd.state import bulk, journal
from usersyncd.state.bulk import batched
from usersyncd.state.columns import KIND, NUMBER
from usersyncd.state.database import Database, among
from usersyncd.state.tables import harms, runs

PAGE = 5_000
_KEY = ("sort", "ref", "attribute", "run")


class AcknowledgedChange(Struct, frozen=True, gc=False):
    """A change that the target acknowledged.

    ``directory``: the current name. ``takes``: the ref of the leaver whose object the record adopted. ``members``: the
    refs that were added or removed; ``emptied``: the group has no member any more. ``counted``: the guard counts the
    change, except the part that a person ``approved``.
    """

    directory: str
    ref: int
    takes: int | None
    change: Change
    members: Collection[int] = ()
    emptied: bool = False
    counted: bool = True
    approved: Approved = NOTHING_APPROVED


_Rows = dict[tuple[Harm, int], frozenset[int]]
"""The harms to one record: the harm and the number of the run that did it → the refs of the members that were
removed."""


def read_window(
    database: Database, target: int, directory: int, guard: Guard, now: datetime, *, expire: bool
) -> Window:
    """The harms of the deliveries within the guard's window. ``expire``: delete older ones."""
    of_share = harms.c.target == target, harms.c.directory == directory
    with database.read() as connection:
        oldest = connection.scalar(select(func.min(harms.c.run)).where(*of_share))
        if oldest is None:
            return Window()
        first = within(_starts(connection), now, guard.window)
        rows = _load(connection, *of_share, harms.c.run >= first)
    if expire and oldest < first:
        with database.write() as connection:
            connection.execute(delete(harms).where(*of_share, harms.c.run < first))
    window = Window()
    for ref, of_record in rows.items():
        window.harms[ref] = {harm for harm, _ in of_record if harm != REMOVAL}
        if removed := set().union(*of_record.values()):
            window.removed[ref] = removed
    return window


def _starts(connection: Connection) -> Iterable[tuple[int, datetime]]:
    """The number and the start of each delivery, the last one first."""
    deliveries = runs.c.kind.in_((journal.RunKind.WHOLE, journal.RunKind.DELIVERY))
    query = select(runs.c.number, runs.c.started).where(deliveries).order_by(runs.c.number.desc())
    for number, started in connection.execute(query):
        yield number, datetime.fromisoformat(started)


class Harms:
    """Keeps the harms of one directory in one target up to date, for the ledger."""

    def __init__(self, target: int, directory: int, run: str, sorts: Set[Sort]) -> None:
        """``run``: the id of the delivery. ``sorts``: the sorts of harm that have a limit; others are not stored."""
        self._target = target
        self._directory = directory
        self._run = run
        self._of_share = harms.c.target == target, harms.c.directory == directory
        self._sorts = sorts
        self._stored: bool | None = None
        """Whether any harm is stored; None: not known yet."""

    def are_stored(self, connection: Connection) -> bool:
        """Whether any harm of an earlier change is stored."""
        if self._stored is None:
            self._stored = connection.scalar(select(harms.c.ref).where(*self._of_share).limit(1)) is not None
        return self._stored

    def write(self, connection: Connection, done: Sequence[AcknowledgedChange]) -> None:
        """Store the harm that these changes do, and delete the harm that they undo."""
        if not self.are_stored(connection) and not any(
            change.counted and change.change.op in HARMFUL for change in done
        ):
            return
        run = journal.number(connection, self._run)
        for changes in batched(done, PAGE):
            before = self._load_for(connection, changes) if self._stored else {}
            after = {ref: dict(rows) for ref, rows in before.items()}
            for change in changes:
                _update(after.setdefault(change.ref, {}), change, run, self._sorts if change.counted else frozenset())
                if change.takes is not None:
                    _undo(after.setdefault(change.takes, {}), change)
            self._replace(connection, before, after)

    def _load_for(self, connection: Connection, done: Sequence[AcknowledgedChange]) -> dict[int, _Rows]:
        refs = {ref for change in done for ref in (change.ref, change.takes) if ref is not None}
        return _load(connection, *self._of_share, among(connection, harms.c.ref, list(refs)))

    def _replace(self, connection: Connection, before: dict[int, _Rows], after: dict[int, _Rows]) -> None:
        undone = [(ref, *row) for ref, rows in before.items() for row in rows.keys() - after[ref].keys()]
        if undone:
            key = (harms.c[name] == bindparam(f"the_{name}") for name in _KEY)
            keys = (zip(_KEY, _key(*row), strict=True) for row in undone)
            connection.execute(
                delete(harms).where(*self._of_share, *key),
                [{f"the_{name}": value for name, value in values} for values in keys],
            )
        new = [
            (self._target, self._directory, *_key(ref, harm, run), harm.kind and NUMBER[harm.kind], _packed(members))
            for ref, rows in after.items()
            for (harm, run), members in rows.items()
            if before.get(ref, {}).get((harm, run)) != members
        ]
        if new:
            bulk.upsert(connection, harms, ("target", "directory", *_KEY, "kind", "members"), new)
            self._stored = True


def _update(rows: _Rows, done: AcknowledgedChange, run: int, sorts: Set[Sort]) -> None:
    """Update the harms to a record after a change. ``sorts``: the sorts of harm that the change may add."""
    earlier = {harm for harm, _ in rows}
    _undo(rows, done)
    if done.change.op is not Op.REMOVE:
        new = (harm for harm in harms_of(done.change, earlier) if harm.sort in sorts)
        rows.update(((harm, run), frozenset()) for harm in new if harm not in done.approved.harms)
        return
    removed = frozenset(done.members) - done.approved.members
    if removed and Sort.MEMBER_REMOVALS in sorts:
        rows[REMOVAL, run] = rows.get((REMOVAL, run), frozenset()) | removed
    if done.emptied and Sort.EMPTIED in sorts and EMPTIED not in done.approved.harms:
        rows[EMPTIED, run] = frozenset()


def _undo(rows: _Rows, done: AcknowledgedChange) -> None:
    for harm, run in list(rows):
        if harm == REMOVAL and done.change.op is Op.ADD:
            rows[harm, run] -= frozenset(done.members)
        if undoes(done.change, harm) or (harm == REMOVAL and not rows[harm, run]):
            del rows[harm, run]


def _load(connection: Connection, *conditions: ColumnElement[bool]) -> dict[int, _Rows]:
    query = select(harms.c.sort, harms.c.kind, harms.c.ref, harms.c.attribute, harms.c.run, harms.c.members)
    by_record: dict[int, _Rows] = {}
    for sort, kind, ref, attribute, run, members in connection.execute(query.where(*conditions)):
        harm = Harm(Sort(sort), None if kind is None else KIND[kind], attribute)
        by_record.setdefault(ref, {})[harm, run] = frozenset(unpack("I", members))
    return by_record


def _key(ref: int, harm: Harm, run: int) -> tuple[object, ...]:
    """The values of the columns of ``_KEY``."""
    return int(harm.sort), ref, harm.attribute, run


def _packed(members: Set[int]) -> bytes | None:
    return pack(array("I", sorted(members))) if members else None
