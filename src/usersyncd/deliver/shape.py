"""Step three, shape: applies the rules to each record that may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache, partial
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.core.links import Shape
from usersyncd.core.rules import RuleError, Rules
from usersyncd.plugin import Kind
from usersyncd.state.columns import decode
from usersyncd.state.subjects import NONE, Groups, InGroups, Managers, Scope, Subject, pages


class Shaped(Struct, frozen=True, gc=False):
    """A record and its shape. ``shape`` None: the record left the directory, or ``where`` leaves it out; ``leaving``
    are the attributes that its object gets then, and of somebody who is here those that say that a person has no
    access. ``error``: a rule failed, and the record's object remains as it is. ``until``: the moment at which the shape
    may be another one although the directory says the same; None: never."""

    subject: Subject
    shape: dict[str, Any] | None
    error: RuleError | None = None
    leaving: Shape = {}
    until: datetime | None = None


def shape_users(connection: Connection, rules: Rules, scope: Scope, now: datetime) -> Iterator[list[Shaped]]:
    """The users to shape, ordered by id, in pages. Whoever left without being noticed before left ``now``."""
    for page in shape_at_any_time(connection, rules, scope):
        yield [shape_at(now) for shape_at in page]


def shape_at_any_time(
    connection: Connection, rules: Rules, scope: Scope
) -> Iterator[list[Callable[[datetime], Shaped]]]:
    """The users to shape, ordered by id, in pages: for each a function that shapes the user as of a moment."""
    managers = cache(lambda: Managers(connection, scope.directory))
    groups = cache(lambda: InGroups(connection, scope.directory, rules.display_name))
    for page in pages(connection, scope, Kind.USER):
        manager_of = managers().of(page) if rules.reads.manager else {}
        groups_of = groups().of(page) if rules.reads.groups else {}
        yield [partial(_user, rules, s, groups_of.get(s.ref, NONE), manager_of.get(s.manager or 0)) for s in page]


def shape_groups(connection: Connection, rules: Rules, scope: Scope) -> Iterator[list[Shaped]]:
    """The groups to shape, ordered by id, in pages."""
    for page in pages(connection, scope, Kind.GROUP):
        yield [_group(rules, subject) for subject in page]


def _user(
    rules: Rules, subject: Subject, groups: Groups, manager: tuple[str, dict[str, Any]] | None, now: datetime
) -> Shaped:
    try:
        if subject.attributes is not None:
            raw = decode(subject.attributes)
            timed = rules.shape_user(subject.id, raw, groups.names, manager, groups.ids, now=now)
            leaving = _leaving(rules, subject, now) if timed.shape is None else rules.off
            return Shaped(subject, timed.shape, leaving=leaving, until=timed.until)
        return Shaped(subject, None, leaving=_leaving(rules, subject, now))
    except RuleError as error:
        return Shaped(subject, None, error)


def _leaving(rules: Rules, subject: Subject, now: datetime) -> Shape:
    """The attributes of a leaver's object. They stay as they were at the moment of leaving."""
    if subject.shape is None:
        return {}
    return rules.leave(subject.id, decode(subject.last), datetime.fromisoformat(subject.left_at or now.isoformat()))


def _group(rules: Rules, subject: Subject) -> Shaped:
    if subject.attributes is None:
        return Shaped(subject, None)
    try:
        return Shaped(subject, rules.shape_group(subject.id, decode(subject.attributes)))
    except RuleError as error:
        return Shaped(subject, None, error)
