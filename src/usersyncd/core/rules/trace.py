"""Explains how a record got its shape: each rule, the values that it read, and its result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from usersyncd.core.rules.cel import CelEnvironment
from usersyncd.core.rules.evaluate import value_of
from usersyncd.core.rules.expression import CompiledExpression
from usersyncd.core.rules.paths import Accessor, RuleInput, UnfitError
from usersyncd.core.rules.results import presentable
from usersyncd.errors import Place


class ValueRead(Struct, frozen=True):
    """One value that a rule read. ``name``: the path in the rule, such as ``user.email``. ``source``: the native
    attribute or the expression that it comes from; empty if the path names it, as in ``user.raw.mail``."""

    name: str
    value: Any
    source: str = ""


class RuleTrace(Struct, frozen=True):
    """The evaluation of one rule. ``attribute``: ``where``, or an attribute of the target.

    ``rule`` is the expression (None: a constant, or the canonical attribute as it is) and ``place`` where it stands
    (None: nowhere in the file). ``error``: why there is no result.
    """

    attribute: str
    rule: str | None
    place: Place | None
    reads: tuple[ValueRead, ...]
    result: Any
    error: str | None = None


class ShapeTrace(Struct, frozen=True):
    """How a user got a ``shape``; None if ``where`` excludes the user, or for the reason in ``error``. ``rules``
    begins with ``where``. ``until``: see :class:`TimedShape`."""

    rules: tuple[RuleTrace, ...]
    shape: Mapping[str, Any] | None
    until: datetime | None = None
    error: str | None = None
    place: Place | None = None


class TracedRule(Struct, frozen=True):
    """A rule as it is written and as it is compiled. ``compiled`` None: the constant ``value``."""

    attribute: str
    text: str | None
    place: Place | None
    compiled: CompiledExpression | None
    value: Any = None


def traces(rules: Sequence[TracedRule], environment: CelEnvironment, subject: RuleInput) -> Iterator[RuleTrace]:
    """The trace of each rule for one record. Every rule is evaluated by itself, also where another one fails."""
    for rule in rules:
        if rule.compiled is None:
            yield RuleTrace(rule.attribute, None, rule.place, (), rule.value)
            continue
        result, error = None, None
        try:
            result = presentable(value_of(rule.compiled, environment)(subject))
        except UnfitError as unfit:
            error = unfit.args[0]
        yield RuleTrace(rule.attribute, rule.text, rule.place, _reads(rule, rule.compiled, subject), result, error)


def _reads(rule: TracedRule, compiled: CompiledExpression, subject: RuleInput) -> tuple[ValueRead, ...]:
    """The values that a rule read, in the order of its text."""
    read = (compiled.read,) if compiled.read else ()
    found: dict[str, ValueRead] = {}
    for accessor in (*compiled.variables.values(), *read):
        for part in accessor.parts or (accessor,):
            if part.name not in found and _is_of_record(part.name):
                found[part.name] = ValueRead(part.name, _value(part, subject), part.source)
    return tuple(sorted(found.values(), key=lambda one: (rule.text or "").find(one.name)))


def _is_of_record(name: str) -> bool:
    """Whether a name is that of a value of the record or the time, and not a constant of the rule."""
    return re.match(r"user\b|group\b|now\(|today\(", name) is not None


def _value(accessor: Accessor, subject: RuleInput) -> Any:
    try:
        return accessor.read(subject)
    except UnfitError:
        return None  # The rule's error says why.
