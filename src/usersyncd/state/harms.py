"""Stores what the runs of a directory harmed in a target, as far as it is still in effect: what the guard counts
together with the next plan."""

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
    """A change that the target acknowledged: the directory's name now, the record's ref, the leaver whose object it
    adopted, the refs of the members that were added or removed, whether the group has none left, whether the guard
    counts it, and what of it a person approved, which the guard does not count."""

    directory: str
    ref: int
    takes: int | None
    change: Change
    members: Collection[int] = ()
    emptied: bool = False
    counted: bool = True
    approved: Approved = NOTHING_APPROVED


_Rows = dict[tuple[Harm, int], frozenset[int]]
"""The rows of one record: the harm and the number of the run that did it, each with the members that were removed."""


def read_window(
    database: Database, target: int, directory: int, guard: Guard, now: datetime, *, expire: bool
) -> Window:
    """What the runs within the guard's window harmed. ``expire``: delete what is older."""
    mine = harms.c.target == target, harms.c.directory == directory
    with database.read() as connection:
        oldest = connection.scalar(select(func.min(harms.c.run)).where(*mine))
        if oldest is None:
            return Window()
        first = within(_readings(connection), now, guard.window)
        rows = _load(connection, *mine, harms.c.run >= first)
    if expire and oldest < first:
        with database.write() as connection:
            connection.execute(delete(harms).where(*mine, harms.c.run < first))
    window = Window()
    for ref, one in rows.items():
        window.harms[ref] = {harm for harm, _ in one if harm != REMOVAL}
        if removed := set().union(*one.values()):
            window.removed[ref] = removed
    return window


def _readings(connection: Connection) -> Iterable[tuple[int, datetime]]:
    """What the clock showed at each delivery, the last one first."""
    deliveries = runs.c.kind != int(journal.RunKind.PULL)
    query = select(runs.c.number, runs.c.started).where(deliveries).order_by(runs.c.number.desc())
    for number, started in connection.execute(query):
        yield number, datetime.fromisoformat(started)


class Harms:
    """The harms of one directory to one target, which its ledger keeps up to date."""

    def __init__(self, target: int, directory: int, run: str, sorts: Set[Sort]) -> None:
        """``run``: the id of the delivery. ``sorts``: those that have a limit. The others are not stored."""
        self._target = target
        self._directory = directory
        self._run = run
        self._mine = harms.c.target == target, harms.c.directory == directory
        self._sorts = sorts
        self._stored: bool | None = None
        """Whether anything is stored; None: not known yet."""

    def write(self, connection: Connection, done: Sequence[AcknowledgedChange]) -> None:
        """Store what these changes harm, and take away what they restore."""
        if self._stored is None:
            self._stored = connection.scalar(select(harms.c.ref).where(*self._mine).limit(1)) is not None
        if not self._stored and not any(one.counted and one.change.op in HARMFUL for one in done):
            return
        run = journal.number(connection, self._run)
        for some in batched(done, PAGE):
            before = self._about(connection, some) if self._stored else {}
            after = {ref: dict(rows) for ref, rows in before.items()}
            for one in some:
                _update(after.setdefault(one.ref, {}), one, run, self._sorts if one.counted else frozenset())
                if one.takes is not None:
                    _restore(after.setdefault(one.takes, {}), one)
            self._replace(connection, before, after)

    def _about(self, connection: Connection, done: Sequence[AcknowledgedChange]) -> dict[int, _Rows]:
        refs = {ref for one in done for ref in (one.ref, one.takes) if ref is not None}
        return _load(connection, *self._mine, among(connection, harms.c.ref, list(refs)))

    def _replace(self, connection: Connection, before: dict[int, _Rows], after: dict[int, _Rows]) -> None:
        gone = [(ref, *row) for ref, rows in before.items() for row in rows.keys() - after[ref].keys()]
        if gone:
            key = (harms.c[name] == bindparam(f"the_{name}") for name in _KEY)
            values = (zip(_KEY, _key(*row), strict=True) for row in gone)
            connection.execute(
                delete(harms).where(*self._mine, *key),
                [{f"the_{name}": value for name, value in one} for one in values],
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
    """What a change makes of the harms to its record; ``sorts``: those that it may add."""
    earlier = {harm for harm, _ in rows}
    _restore(rows, done)
    if done.change.op is not Op.REMOVE:
        found = (harm for harm in harms_of(done.change, earlier) if harm.sort in sorts)
        rows.update(((harm, run), frozenset()) for harm in found if harm not in done.approved.harms)
        return
    removed = frozenset(done.members) - done.approved.members
    if removed and Sort.MEMBER_REMOVALS in sorts:
        rows[REMOVAL, run] = rows.get((REMOVAL, run), frozenset()) | removed
    if done.emptied and Sort.EMPTIED in sorts and EMPTIED not in done.approved.harms:
        rows[EMPTIED, run] = frozenset()


def _restore(rows: _Rows, done: AcknowledgedChange) -> None:
    for harm, run in list(rows):
        if harm == REMOVAL and done.change.op is Op.ADD:
            rows[harm, run] -= frozenset(done.members)
        if undoes(done.change, harm) or (harm == REMOVAL and not rows[harm, run]):
            del rows[harm, run]


def _load(connection: Connection, *which: ColumnElement[bool]) -> dict[int, _Rows]:
    query = select(harms.c.sort, harms.c.kind, harms.c.ref, harms.c.attribute, harms.c.run, harms.c.members)
    found: dict[int, _Rows] = {}
    for sort, kind, ref, attribute, run, members in connection.execute(query.where(*which)):
        harm = Harm(Sort(sort), None if kind is None else KIND[kind], attribute)
        found.setdefault(ref, {})[harm, run] = frozenset(unpack("I", members))
    return found


def _key(ref: int, harm: Harm, run: int) -> tuple[object, ...]:
    """The values of the columns of ``_KEY``."""
    return int(harm.sort), ref, harm.attribute, run


def _packed(members: Set[int]) -> bytes | None:
    return pack(array("I", sorted(members))) if members else None
