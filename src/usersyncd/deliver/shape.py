"""Step three, shape: applies the rules to each record that may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, partial
from typing import Any

from msgspec import Struct

from usersyncd.core.links import Shape
from usersyncd.core.rules import RuleError, Rules
from usersyncd.plugin import Kind
from usersyncd.state.candidates import Candidate, Selection, pages
from usersyncd.state.columns import decode
from usersyncd.state.database import Connection
from usersyncd.state.related_records import NONE, GroupsOfPeople, Managers, PersonGroups


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


def shape_users(connection: Connection, rules: Rules, selection: Selection, now: datetime) -> Iterator[list[Shaped]]:
    """The users to shape, ordered by id, in pages. A user whose departure is new left at the moment ``now``."""
    for page in shape_at_any_time(connection, rules, selection):
        yield [shape_at(now) for shape_at in page]


def shape_at_any_time(
    connection: Connection, rules: Rules, selection: Selection
) -> Iterator[list[Callable[[datetime], Shaped]]]:
    """The users to shape, ordered by id, in pages: for each a function that shapes the user as of a moment."""
    managers = cache(lambda: Managers(connection, selection.directory))
    groups = cache(lambda: GroupsOfPeople(connection, selection.directory, rules.display_name))
    for page in pages(connection, selection, Kind.USER):
        manager_of = managers().of(page) if rules.reads.manager else {}
        groups_of = groups().of(page) if rules.reads.groups else {}
        yield [
            partial(_user, rules, user, groups_of.get(user.ref, NONE), manager_of.get(user.manager or 0))
            for user in page
        ]


def shape_groups(connection: Connection, rules: Rules, selection: Selection) -> Iterator[list[Shaped]]:
    """The groups to shape, ordered by id, in pages."""
    for page in pages(connection, selection, Kind.GROUP):
        yield [_group(rules, candidate) for candidate in page]


def _user(
    rules: Rules, candidate: Candidate, groups: PersonGroups, manager: tuple[str, dict[str, Any]] | None, now: datetime
) -> Shaped:
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
