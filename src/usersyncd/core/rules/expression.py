"""Compiles one expression: to a Python function if that is enough, otherwise to trees that are evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from msgspec import Struct

from usersyncd.core.model import Rule
from usersyncd.core.rules.cel import CelEnvironment, ExpressionError, check, parse
from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.hints import explain
from usersyncd.core.rules.moments import after_comparison, after_day_comparison
from usersyncd.core.rules.paths import Accessor, Change, RuleInput, UnfitError, look_up
from usersyncd.core.rules.program import Program
from usersyncd.core.rules.repair import repaired
from usersyncd.core.rules.rewrite import Rewriter
from usersyncd.core.rules.scope import RuleScope
from usersyncd.core.rules.time_uses import TimeComparison, time_uses
from usersyncd.core.rules.tree import ListOf, Literal, Node
from usersyncd.errors import Fault

Tables = Mapping[str, Mapping[str, str]]


class CompiledExpression(Struct, frozen=True):
    """A valid expression.

    ``read`` is set when it needs no evaluator; otherwise ``tree`` gives its value and ``truth`` the same as a
    condition, both over ``variables``. ``type`` is its static type, DYN if that is not known. ``changes`` compute when
    its value changes because time passes, each by the name of what changes.
    """

    read: Accessor | None
    tree: Node
    truth: Node
    variables: Mapping[str, Accessor]
    type: str
    changes: Mapping[str, Change] = {}


def engine(tables: Tables) -> CelEnvironment:
    """The evaluator for rules that may look up in ``tables``."""

    def lookup(table: str, key: Any) -> str | None:
        return look_up(tables[table], key)

    def too_large(limit: int) -> None:
        raise UnfitError(f"a text or list on the way has more than {limit} characters or items")

    return CelEnvironment({"lookup": (2, lookup), "tooLarge": (1, too_large)})


def compile_expression(
    rule: Rule, label: str, scope: RuleScope, tables: Tables, evaluator: CelEnvironment
) -> CompiledExpression | list[Fault]:
    """Compile one expression, or say everything that is wrong with it. ``label`` is the rule's path in the file."""
    faults = ExpressionFaults(rule, label)
    try:
        tree = parse(rule.text)
    except ExpressionError as error:
        explain(error.problems, scope, faults)
        faults.note(_faults_besides(rule, label, scope, tables, evaluator))
        return faults.sorted()
    rewriter = Rewriter(scope, tables, faults)
    read = rewriter.plain(tree) or _literal(tree)
    value, truth = rewriter.value_tree(tree), rewriter.truth(tree)
    static = "DYN"
    try:
        static = check(rule.text, tree, scope.maps, scope.values)
        if not faults:
            # A rule runs inside the list of all rules, two levels further down: it must not be too deep there.
            evaluator.expression(ListOf((ListOf((value, truth)),)))
    except ExpressionError as error:
        explain(error.problems, scope, faults)
    if faults:
        return faults.sorted()
    changes = {accessor.name: accessor.change for accessor in rewriter.reads.values() if accessor.change}
    for use in _comparisons(tree, changes):
        border = Rewriter(scope, tables, faults)
        program = Program(evaluator, border.value_tree(use.border), border.reads)
        changes[str(use)] = _change(use, program, scope.zone)
    return CompiledExpression(read, value, truth, rewriter.reads, static, changes)


def _faults_besides(rule: Rule, label: str, scope: RuleScope, tables: Tables, evaluator: CelEnvironment) -> list[Fault]:
    """What is wrong with a rule besides operators of other languages."""
    meant = repaired(rule)
    if meant is None:
        return []
    try:
        parse(meant.text)
    except ExpressionError:
        return []  # The messages about the rule as it is written already say this.
    found = compile_expression(meant, label, scope, tables, evaluator)
    return found if isinstance(found, list) else []


def _comparisons(tree: Node, changes: dict[str, Change]) -> Iterator[TimeComparison]:
    """The comparisons with ``now()`` or ``today()``. They say exactly when their value changes; a function that is used
    for nothing else is removed from ``changes``."""
    uses = list(time_uses(tree))
    for function in ("now", "today"):
        comparisons = [use for use in uses if isinstance(use, TimeComparison) and use.function == function]
        if comparisons and function not in uses:
            del changes[f"{function}()"]
        yield from comparisons


def _change(use: TimeComparison, program: Program, zone: tzinfo | None) -> Change:
    def change(subject: RuleInput) -> datetime | None:
        try:
            border = program.value(subject)
        except UnfitError:
            return None  # The comparison fails as well, at any time.
        match border:
            case datetime() if use.function == "now":
                return after_comparison(use.operator, border, subject.now)
            case str() if use.function == "today" and zone is not None:
                return after_day_comparison(use.operator, border, subject.now, zone)
            case _:
                return None

    return change


def _literal(tree: Node) -> Accessor | None:
    if isinstance(tree, Literal) and not isinstance(tree.value, bytes):
        value = tree.value
        return Accessor("", lambda _: value)
    return None
