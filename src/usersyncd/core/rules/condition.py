"""A condition over the columns of a target, as the admin writes it under ``protect``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from usersyncd.core.model import Rule
from usersyncd.core.rules.expression import CompiledExpression, compile_expression, engine
from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.paths import Accessor, PathError, RuleInput, UnfitError, dig, path
from usersyncd.core.rules.program import Program
from usersyncd.core.rules.scope import ROOTS, RequiredReads, RuleScope
from usersyncd.errors import Fault
from usersyncd.plugin import Value


class Condition(Struct, frozen=True):
    """A valid condition, and the columns that it reads. If it cannot be evaluated, it holds, which is the safe side."""

    text: str
    program: Program
    columns: frozenset[str]

    def __call__(self, columns: Mapping[str, Value]) -> bool:
        """Whether it holds for an object with these columns; one that is missing is null."""
        try:
            return self.program.value(RuleInput("", dict(columns))) is not False
        except (UnfitError, TypeError, ValueError, OverflowError):
            return True


class ColumnScope(RuleScope):
    """The names that a condition may read: every name is a column of the target."""

    def __init__(self) -> None:
        super().__init__("", RequiredReads())
        self.maps.clear()

    def resolve(self, root: str, steps: Sequence[str | int]) -> Accessor:
        """What a path reads: a column, or a part of one that holds JSON. Raises PathError."""
        self.values.add(root)
        if root in ROOTS and steps:
            raise PathError(f"this reads the target's own columns: write {steps[-1]}, without {root} before it")
        return Accessor(path(root, steps), lambda subject: _column(subject.raw, root, steps))


def _column(columns: Mapping[str, Any], name: str, steps: Sequence[str | int]) -> Any:
    value = columns.get(name)
    return dig(value, steps) if steps else value


def compile_condition(rule: Rule, label: str) -> Condition | list[Fault]:
    """Compile a condition, or say everything that is wrong with it. ``label`` is its path in the file."""
    evaluator = engine({})
    scope = ColumnScope()
    compiled = compile_expression(rule, label, scope, {}, evaluator)
    if not isinstance(compiled, CompiledExpression):
        return compiled
    if compiled.type != "BOOL":
        faults = ExpressionFaults(rule, label)
        faults.add(0, "this is not a condition: compare a column with something, or list keys: [first, second]")
        return faults.sorted()
    return Condition(rule.text, Program(evaluator, compiled.truth, compiled.variables), frozenset(scope.values))
