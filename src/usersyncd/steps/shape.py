"""Step three, shape: applies the rules to each record that may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection

from usersyncd.core.graph import Graph
from usersyncd.core.mapping import RuleError
from usersyncd.core.rules import Rules
from usersyncd.plugin import Kind
from usersyncd.state.spool import decode
from usersyncd.state.subjects import GroupNames, Managers, Scope, Subject, pages


class Shaped(Struct, frozen=True, gc=False):
    """A record and its shape. ``shape`` None: the record left the directory, or ``where`` leaves it out. ``error``: a
    rule failed, and the record's object remains as it is."""

    subject: Subject
    shape: dict[str, Any] | None
    error: RuleError | None = None


def shape_users(
    connection: Connection, rules: Rules, scope: Scope, graph: Callable[[], Graph]
) -> Iterator[list[Shaped]]:
    """The users to shape, ordered by id, in pages. ``graph`` returns the memberships of the directory; it is called
    only if there are users to shape and the rules read groups."""
    managers = cache(lambda: Managers(connection, scope.directory))
    groups = cache(lambda: GroupNames(connection, scope.directory, graph(), rules.display_name))
    for page in pages(connection, scope, Kind.USER):
        manager_of = managers().of(page) if rules.reads.manager else {}
        groups_of = groups().of(page) if rules.reads.groups else {}
        yield [_user(rules, s, groups_of.get(s.ref, ()), manager_of.get(s.manager or 0)) for s in page]


def shape_groups(connection: Connection, rules: Rules, scope: Scope) -> Iterator[list[Shaped]]:
    """The groups to shape, ordered by id, in pages."""
    for page in pages(connection, scope, Kind.GROUP):
        yield [_group(rules, subject) for subject in page]


def _user(rules: Rules, subject: Subject, groups: Any, manager: tuple[str, dict[str, Any]] | None) -> Shaped:
    if subject.attributes is None:
        return Shaped(subject, None)
    try:
        return Shaped(subject, rules.shape_user(subject.id, decode(subject.attributes), groups, manager))
    except RuleError as error:
        return Shaped(subject, None, error)


def _group(rules: Rules, subject: Subject) -> Shaped:
    if subject.attributes is None:
        return Shaped(subject, None)
    try:
        return Shaped(subject, rules.shape_group(subject.id, decode(subject.attributes)))
    except RuleError as error:
        return Shaped(subject, None, error)
