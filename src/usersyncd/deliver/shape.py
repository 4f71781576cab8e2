"""Step three, shape: applies the rules to each record that may have changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

from msgspec import Struct

from usersyncd.core.links import Shape
from usersyncd.core.rules import RuleError, Rules, TimedShape
from usersyncd.plugin import Kind
from usersyncd.state.candidates import Candidate, NewCandidates, Selection, one_by_one, pages
from usersyncd.state.columns import decode
from usersyncd.state.database import Connection
from usersyncd.state.related_records import NONE, GroupsOfPeople, Managers, PersonGroups

Manager = tuple[str, dict[str, Any]]


class Shaped(Struct, frozen=True, gc=False):
    """A record and its shape.

    ``shape`` None: the record left the directory, or ``where`` excludes it. Then ``leaving`` are the attributes that
    its object gets; of any other user, those of an object without access. ``error``: a rule failed, and the record's
    object stays as it is. ``until``: the moment at which the shape may change although the directory does not; None:
    never.
    """

    candidate: Candidate
    shape: dict[str, Any] | None
    error: RuleError | None = None
    leaving: Shape = {}
    until: datetime | None = None


class NewShapes(Struct, frozen=True):
    """Records without a link and their shapes, as columns. ``until``: see :class:`Shaped`."""

    refs: Sequence[int]
    ids: Sequence[str]
    shapes: Sequence[dict[str, Any]]
    until: Sequence[datetime | None]


Page = NewShapes | list[Shaped]


def shape_users(connection: Connection, rules: Rules, selection: Selection, now: datetime) -> Iterator[Page]:
    """The users to shape, ordered by id, in pages. A user whose departure is new left at the moment ``now``."""
    related = _Related(connection, rules, selection.directory)
    for page in pages(connection, selection, Kind.USER):
        if isinstance(page, NewCandidates):
            groups, managers = related.groups(page.refs), related.managers(page.managers)
            shape = partial(_shape_new_user, rules, groups, managers, now)
            yield from _shape_new(page, map(shape, page.refs, page.ids, page.attributes, page.managers))
        else:
            yield [shape_at(now) for shape_at in related.shaping(page)]


def shape_at_any_time(
    connection: Connection, rules: Rules, selection: Selection
) -> Iterator[list[Callable[[datetime], Shaped]]]:
    """The users to shape, ordered by id, in pages: for each a function that shapes the user as of a moment."""
    related = _Related(connection, rules, selection.directory)
    for page in pages(connection, selection, Kind.USER):
        yield related.shaping(one_by_one(page))


def shape_groups(connection: Connection, rules: Rules, selection: Selection) -> Iterator[Page]:
    """The groups to shape, ordered by id, in pages."""
    for page in pages(connection, selection, Kind.GROUP):
        if isinstance(page, NewCandidates):
            yield from _shape_new(page, map(partial(_shape_new_group, rules), page.ids, page.attributes))
        else:
            yield [_group(rules, candidate) for candidate in page]


def shape_each(
    connection: Connection, rules: Rules, selection: Selection, now: datetime
) -> Iterator[tuple[Kind, list[Shaped]]]:
    """The records to shape, users before groups, ordered by id, in pages without columns."""
    for users in shape_at_any_time(connection, rules, selection):
        yield Kind.USER, [shape_at(now) for shape_at in users]
    for groups in pages(connection, selection, Kind.GROUP):
        yield Kind.GROUP, [_group(rules, candidate) for candidate in one_by_one(groups)]


class _Related:
    """What the shapes of users depend on besides the users: their groups and managers."""

    def __init__(self, connection: Connection, rules: Rules, directory: int) -> None:
        self._rules = rules
        reads = rules.reads
        self._managers = cache(lambda: Managers(connection, directory, attributes=reads.manager_attributes))
        self._groups = cache(lambda: GroupsOfPeople(connection, directory, rules.display_name))

    def groups(self, refs: Collection[int]) -> Mapping[int, PersonGroups]:
        return self._groups().of(refs) if self._rules.reads.groups else {}

    def managers(self, names: Iterable[int | None]) -> Mapping[int, Manager]:
        return self._managers().of(names) if self._rules.reads.manager else {}

    def shaping(self, page: list[Candidate]) -> list[Callable[[datetime], Shaped]]:
        """For each of these users a function that shapes the user as of a moment."""
        groups = self.groups([user.ref for user in page])
        managers = self.managers(user.manager for user in page)
        return [
            partial(_user, self._rules, user, groups.get(user.ref, NONE), managers.get(user.manager or 0))
            for user in page
        ]


def _shape_new(page: NewCandidates, shaped: Iterable[TimedShape | RuleError]) -> Iterator[Page]:
    """The shapes of new records: as columns those that the target is to hold, the others one by one."""
    refs, ids, shapes, until, others = [], [], [], [], []
    for place, one in enumerate(shaped):
        if isinstance(one, RuleError) or one.shape is None:
            others.append((place, one))
        else:
            refs.append(page.refs[place])
            ids.append(page.ids[place])
            shapes.append(one.shape)
            until.append(one.until)
    if refs:
        yield NewShapes(refs, ids, shapes, until)
    if others:
        candidates = one_by_one(page)
        yield [
            Shaped(candidates[place], None, one)
            if isinstance(one, RuleError)
            else Shaped(candidates[place], None, until=one.until)
            for place, one in others
        ]


def _shape_new_user(
    rules: Rules,
    groups_of: Mapping[int, PersonGroups],
    managers: Mapping[int, Manager],
    now: datetime,
    ref: int,
    id_: str,
    attributes: str,
    manager: int | None,
) -> TimedShape | RuleError:
    groups = groups_of.get(ref, NONE)
    try:
        return rules.shape_user(id_, decode(attributes), groups.names, managers.get(manager or 0), groups.ids, now=now)
    except RuleError as error:
        return error


def _shape_new_group(rules: Rules, id_: str, attributes: str) -> TimedShape | RuleError:
    try:
        return TimedShape(rules.shape_group(id_, decode(attributes)), None)
    except RuleError as error:
        return error


def _user(rules: Rules, candidate: Candidate, groups: PersonGroups, manager: Manager | None, now: datetime) -> Shaped:
    try:
        if candidate.attributes is not None:
            raw = decode(candidate.attributes)
            timed = rules.shape_user(candidate.id, raw, groups.names, manager, groups.ids, now=now)
            leaving = _leaving(rules, candidate, now) if timed.shape is None else rules.off
            return Shaped(candidate, timed.shape, leaving=leaving, until=timed.until)
        return Shaped(candidate, None, leaving=_leaving(rules, candidate, now))
    except RuleError as error:
        return Shaped(candidate, None, error)


def _leaving(rules: Rules, candidate: Candidate, now: datetime) -> Shape:
    """The attributes of a leaver's object, by the rules as of the moment of leaving."""
    if candidate.shape is None:
        return {}
    return rules.leave(
        candidate.id, decode(candidate.last), datetime.fromisoformat(candidate.left_at or now.isoformat())
    )


def _group(rules: Rules, candidate: Candidate) -> Shaped:
    if candidate.attributes is None:
        return Shaped(candidate, None)
    try:
        return Shaped(candidate, rules.shape_group(candidate.id, decode(candidate.attributes)))
    except RuleError as error:
        return Shaped(candidate, None, error)
