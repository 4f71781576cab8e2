"""The guard: which changes of a plan are harmful, and the limits that a plan and the runs before it must keep together.

Deleting nine people at a time does as much harm as deleting all of them at once. So the guard counts the harm of the
plan together with the harm of earlier runs within a *window* that is still in effect, and compares it with what the
target held before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from datetime import datetime, timedelta
from enum import IntEnum

from msgspec import Struct

from usersyncd.core.clock import NO_TIME, gap
from usersyncd.core.model import Guard, Limit
from usersyncd.core.report import Violation
from usersyncd.plugin import Change, Kind, Op, Value


class Sort(IntEnum):
    """The sorts of harm, each with a limit of the same name. The numbers are stored in the state database."""

    DELETES = 0
    DEACTIVATIONS = 1
    MEMBER_REMOVALS = 2
    ADOPTIONS = 3
    REACTIVATIONS = 4
    UPDATES = 5
    BLANKED = 6
    EMPTIED = 7

    @property
    def limit(self) -> str:
        """The name of its limit."""
        return self.name.lower()


class Harm(Struct, frozen=True):
    """Harm that is counted together. ``kind`` None: to users and groups. ``attribute``: the emptied attribute."""

    sort: Sort
    kind: Kind | None
    attribute: str = ""


REMOVAL = Harm(Sort.MEMBER_REMOVALS, None)
EMPTIED = Harm(Sort.EMPTIED, Kind.GROUP)

_OF_RECORDS = {
    Op.DELETE: Sort.DELETES,
    Op.DEACTIVATE: Sort.DEACTIVATIONS,
    Op.REACTIVATE: Sort.REACTIVATIONS,
    Op.UPDATE: Sort.UPDATES,
    Op.ADOPT: Sort.ADOPTIONS,
}
HARMFUL = {*_OF_RECORDS, Op.REMOVE}
"""The operations that may harm."""
_KEPT = {Sort.UPDATES, Sort.ADOPTIONS}
"""The sorts of harm that do not change how many objects the target holds."""
_BLANKING = {Op.UPDATE}
"""The operations whose emptied attributes count. Deactivations and reactivations may empty attributes too, but have
limits of their own."""
_OPPOSITE = {Sort.DEACTIVATIONS: Sort.REACTIVATIONS, Sort.REACTIVATIONS: Sort.DEACTIVATIONS}


def limit_of(guard: Guard, sort: Sort) -> Limit | None:
    """The limit of a sort; None: it is unlimited."""
    found: Limit | None = getattr(guard, sort.limit)
    return found


def limited(guard: Guard) -> frozenset[Sort]:
    """The sorts that have a limit."""
    return frozenset(sort for sort in Sort if limit_of(guard, sort) is not None)


# ---- what one change does


def harms_of(change: Change, earlier: Set[Harm] = frozenset()) -> Iterator[Harm]:
    """The harms that a change does to its record. ``earlier``: harms to the same record that are still in effect. A
    deactivation that undoes an earlier reactivation does no harm, and neither does the reverse."""
    sort = _OF_RECORDS.get(change.op)
    if sort is None:
        return
    if not earlier or not any(harm.sort is _OPPOSITE.get(sort) for harm in earlier):
        yield Harm(sort, None if sort is Sort.ADOPTIONS else change.kind)
    if change.op in _BLANKING:
        before = change.before or {}
        for name, value in (change.after or {}).items():
            if not value and is_blank(value) and not is_blank(before.get(name)):
                yield Harm(Sort.BLANKED, change.kind, name)


def undoes(change: Change, harm: Harm) -> bool:
    """Whether a change ends an earlier harm to the same record."""
    after = change.after or {}
    match harm.sort:
        case Sort.DELETES:
            return change.op in (Op.CREATE, Op.ADOPT)
        case Sort.DEACTIVATIONS:
            return change.op in (Op.REACTIVATE, Op.CREATE, Op.ADOPT) and after.get("active") is not False
        case Sort.REACTIVATIONS:
            return change.op is Op.DELETE or (change.op is Op.DEACTIVATE and not after.get("active"))
        case Sort.BLANKED:
            return not is_blank(after.get(harm.attribute))
        case Sort.EMPTIED:
            return change.op in (Op.ADD, Op.DELETE)
        case _:
            return False


def is_blank(value: Value) -> bool:
    """Whether an attribute holds nothing."""
    return value is None or value in ("", [], {})


# ---- the window


class Window(Struct):
    """The harms of earlier runs that are still in effect: ``harms`` by the ref of the record, and ``removed`` members
    by the ref of their group."""

    harms: dict[int, set[Harm]] = {}
    removed: dict[int, set[int]] = {}


def within(readings: Iterable[tuple[int, datetime]], now: datetime, window: timedelta) -> int:
    """The number of the first run within the window. ``readings``: the runs of a directory, the last one first, each
    with its number and what its clock showed.

    The age of a run is the sum of the gaps since then, each at most half the window. So a clock that is wrong once
    neither empties the window nor fills it for ever.
    """
    age, later = NO_TIME, now
    for number, reading in readings:
        age += gap(reading, later, window / 2)
        if age >= window:
            return number + 1
        later = reading
    return 0


# ---- counting


class Count(Struct):
    """How many objects one sort of harm touches: in the ``planned`` changes; in ``earlier`` runs, without the objects
    that the plan harms again; and how many harmed objects the plan ``restored``."""

    planned: int = 0
    earlier: int = 0
    restored: int = 0


class Tally:
    """The harms of a plan and of the window before it."""

    def __init__(self, guard: Guard, window: Window) -> None:
        self._guard = guard
        self._sorts = limited(guard)
        self._window = window
        self.counts: defaultdict[Harm, Count] = defaultdict(Count)
        for harms in window.harms.values():
            for harm in harms:
                self.counts[harm].earlier += 1
        for members in window.removed.values():
            self.counts[REMOVAL].earlier += len(members)

    def add(self, ref: int, change: Change, *, counted: bool = True, approved: Set[Harm] = frozenset()) -> None:
        """Count a change of a record. ``counted`` False: count only the harm that it undoes. ``approved``: harms that
        do not count."""
        earlier = self._window.harms.get(ref, frozenset[Harm]())
        for harm in harms_of(change, earlier) if counted else ():
            if harm.sort in self._sorts and harm not in approved:
                self._plan(harm, repeated=harm in earlier)
        for harm in earlier:
            if undoes(change, harm):
                self._restore(harm)

    def remove(self, group: int, members: Set[int]) -> None:
        """Count members that are removed from a group."""
        if Sort.MEMBER_REMOVALS in self._sorts:
            count = self.counts[REMOVAL]
            count.planned += len(members)
            count.earlier -= len(members & self._window.removed.get(group, set()))

    def restore(self, group: int, members: Set[int]) -> None:
        """Count members that are added to a group: they undo earlier removals."""
        again = len(members & self._window.removed.get(group, set()))
        self.counts[REMOVAL].earlier -= again
        self.counts[REMOVAL].restored += again
        if EMPTIED in self._window.harms.get(group, ()):
            self._restore(EMPTIED)

    def empty(self, group: int) -> None:
        """Count a group that loses its last member."""
        self._plan(EMPTIED, repeated=EMPTIED in self._window.harms.get(group, ()))

    def _plan(self, harm: Harm, *, repeated: bool) -> None:
        self.counts[harm].planned += 1
        self.counts[harm].earlier -= repeated

    def _restore(self, harm: Harm) -> None:
        self.counts[harm].earlier -= 1
        self.counts[harm].restored += 1

    def in_question(self) -> list[Harm]:
        """The harms of the plan that touch at least as many objects as are ever held, so that limits are checked."""
        least = max(self._guard.at_least, 1)
        found = (
            harm
            for harm, count in self.counts.items()
            if count.planned and count.planned + count.earlier >= least and harm.sort in self._sorts
        )
        return sorted(found, key=lambda harm: (harm.sort, harm.kind is Kind.GROUP, harm.attribute))


# ---- the limits


class Holdings(Struct, frozen=True):
    """How much of one directory a target holds, by what it acknowledged: active users, all users, groups, memberships,
    groups that have members; and ``filled``: for each attribute in question, how many objects have a value."""

    active: int
    users: int
    groups: int
    memberships: int
    groups_with_members: int = 0
    filled: Mapping[tuple[Kind, str], int] = {}


def violations(guard: Guard, tally: Tally, holdings: Holdings) -> list[Violation]:
    """The limits that a plan exceeds. If there are none, it may be delivered. What earlier runs in the window removed
    counts as still held.

    Users and groups are compared with their own numbers, so that the loss of all groups is seen among many users.
    """
    found: list[Violation] = []
    for harm in tally.in_question():
        count, limit = tally.counts[harm], limit_of(guard, harm.sort)
        touched = count.planned + count.earlier
        of = _held(harm, holdings) + (0 if harm.sort in _KEPT else count.earlier + count.restored)
        if limit is not None and _exceeds(limit, touched, of):
            found.append(Violation(harm.sort.limit, str(limit), _found(harm, limit, touched, of, count.earlier)))
    return found


def _held(harm: Harm, holdings: Holdings) -> int:
    """How many objects this harm could touch."""
    match harm.sort:
        case Sort.DEACTIVATIONS:
            return holdings.active
        case Sort.REACTIVATIONS:
            return holdings.users - holdings.active
        case Sort.MEMBER_REMOVALS:
            return holdings.memberships
        case Sort.ADOPTIONS:
            return holdings.users + holdings.groups
        case Sort.EMPTIED:
            return holdings.groups_with_members
        case Sort.BLANKED:
            assert harm.kind is not None  # noqa: S101 - an attribute is one of users or of groups
            return holdings.filled.get((harm.kind, harm.attribute), 0)
        case _:
            return holdings.users if harm.kind is Kind.USER else holdings.groups


def _found(harm: Harm, limit: Limit, touched: int, of: int, earlier: int) -> str:
    """``38% (80 of 212)``. The percentage has decimals only if a rounded one would seem to keep the limit."""
    share = 100 * touched / max(of, 1)
    digits = next((n for n in range(3) if not limit.percent or round(share, n) > limit.amount), 3)
    had = f" that had {harm.attribute}" if harm.attribute else ""
    before = f", {earlier} of them in earlier runs" if earlier else ""
    return f"{share:.{digits}f}% ({touched} of {of}{had}{before})"


def _exceeds(limit: Limit, count: int, of: int) -> bool:
    return count * 100 > limit.amount * of if limit.percent else count > limit.amount
