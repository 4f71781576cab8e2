"""Evaluates compiled expressions for one record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from usersyncd.core.rules.cel import CelEnvironment
from usersyncd.core.rules.expression import CompiledExpression
from usersyncd.core.rules.paths import RuleInput, UnfitError, named
from usersyncd.core.rules.program import AttributeReader, Program
from usersyncd.core.rules.results import presentable
from usersyncd.core.rules.rewrite import MAX_SIZE
from usersyncd.core.rules.tree import EMPTY_LIST, ListOf, Node, call

_READY = frozenset([bool, type(None)])


class CombinedRules:
    """Several rules of one record. Plain rules are read directly; all others are one evaluation.

    Only if that evaluation fails is each rule evaluated alone, to find the one that fails. If ``where`` does not hold,
    none is evaluated.
    """

    def __init__(
        self,
        evaluator: CelEnvironment,
        rules: Mapping[str, CompiledExpression],
        where: CompiledExpression | None = None,
    ) -> None:
        self._plain = AttributeReader({name: rule.read for name, rule in rules.items() if rule.read is not None})
        evaluated = {name: rule for name, rule in rules.items() if rule.read is None}
        self._names = tuple(evaluated)
        self._each = {name: Program(evaluator, rule.tree, rule.variables).value for name, rule in evaluated.items()}
        self._where = None if where is None else value_of(where, evaluator)
        self._together: Program | None = None
        self._where_first = where is not None
        if evaluated:
            condition = where if where is not None and where.read is None else None
            self._together = _all_in_one(evaluator, condition, tuple(evaluated.values()))
            self._where_first = where is not None and where.read is not None

    def fill(self, values: dict[str, Any], subject: RuleInput) -> bool:
        """Set the values by name. Returns False if ``where`` does not hold. Raises UnfitError with the rule's name as
        its second argument."""
        if self._where_first and not self._holds(subject):
            return False
        if self._together is not None:
            found = self._together.list(subject)
            if found is None:
                found = self._one_by_one(subject)
            if not found:
                return False
            for name, value in zip(self._names, found, strict=True):
                ready = len(value) <= MAX_SIZE if value.__class__ is str else value.__class__ in _READY
                values[name] = value if ready else _named(name, presentable, value)
        self._plain.fill(values, subject)
        return True

    def _holds(self, subject: RuleInput) -> bool:
        if self._where is None:
            return True
        holds = _named("where", self._where, subject)
        if holds is None or holds.__class__ is bool:
            return bool(holds)
        raise UnfitError(f"it gives {named(holds)}, and must give true or false", "where")

    def _one_by_one(self, subject: RuleInput) -> Sequence[Any]:
        if not self._holds(subject):
            return ()
        return [_named(name, value, subject) for name, value in self._each.items()]


def _named(name: str, function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except UnfitError as unfit:
        raise UnfitError(unfit.args[0], name) from None


def value_of(compiled: CompiledExpression, evaluator: CelEnvironment) -> Callable[[RuleInput], Any]:
    """A function that returns the value of one expression, and raises UnfitError if there is none."""
    if compiled.read is not None:
        return compiled.read.read
    return Program(evaluator, compiled.tree, compiled.variables).value


def _all_in_one(
    evaluator: CelEnvironment, where: CompiledExpression | None, rules: Sequence[CompiledExpression]
) -> Program:
    """One program for all rules, which returns the list of their values; an empty list if ``where`` does not hold."""
    tree: Node = ListOf(tuple(rule.tree for rule in rules))
    if where is not None:
        tree = call("_?_:_", where.truth, tree, EMPTY_LIST)
    together = [*rules, *([where] if where else [])]
    return Program(evaluator, tree, {name: read for rule in together for name, read in rule.variables.items()})
