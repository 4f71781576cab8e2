"""One expression, compiled and applied: plain reading where that is all, the evaluator where it must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from usersyncd.core.rules.cel import Engine, ExpressionError, check, parse
from usersyncd.core.rules.hints import explained
from usersyncd.core.rules.paths import Read, Scope, Subject, UnfitError, as_text, look_up, named
from usersyncd.core.rules.plain import Fault
from usersyncd.core.rules.rewrite import MAX_SIZE, Rewriter
from usersyncd.core.rules.tree import EMPTY_LIST, ListOf, Literal, Node, call

Tables = Mapping[str, Mapping[str, str]]


class Compiled(Struct, frozen=True):
    """An expression that was found right.

    ``read`` is set when it needs no evaluator; otherwise ``tree`` gives its value and ``truth`` the same as a
    condition, both over ``variables``. ``type`` is its static type, DYN when that is open.
    """

    read: Read | None
    tree: Node
    truth: Node
    variables: Mapping[str, Read]
    type: str


def engine(tables: Tables) -> Engine:
    """The evaluator for rules that may look up in ``tables``."""

    def lookup(table: str, key: Any) -> str | None:
        return look_up(tables[table], key)

    def too_large(limit: int) -> None:
        raise UnfitError(f"a text or list on the way has more than {limit} characters or items")

    return Engine({"lookup": (2, lookup), "tooLarge": (1, too_large)})


def compile_expression(text: str, scope: Scope, tables: Tables, evaluator: Engine) -> Compiled | list[Fault]:
    """Compile one expression, or say everything that is wrong with it."""
    try:
        tree = parse(text)
        rewriter = Rewriter(scope, tables)
        read = rewriter.plain(tree) or _literal(tree)
        settled, truth = rewriter.settled(tree), rewriter.truth(tree)
        if rewriter.faults:
            return rewriter.faults
        static = check(text, tree, scope.maps, scope.values)
        # A rule runs inside the list of all rules, two levels further down: it must not be too deep there.
        evaluator.expression(ListOf((ListOf((settled, truth)),)))
    except ExpressionError as fault:
        return explained(text, fault.problems, scope)
    return Compiled(read, settled, truth, rewriter.reads, static)


def _literal(tree: Node) -> Read | None:
    if isinstance(tree, Literal) and not isinstance(tree.value, bytes):
        value = tree.value
        return Read("", lambda _: value)
    return None


# -------------------------------------------------------------------------------------------------------- what is read


class Reader:
    """Reads attributes of a subject into a dict: by the fast way whatever is nothing but text of the record's own."""

    def __init__(self, reads: Mapping[str, Read]) -> None:
        self._texts = [(name, read.native, read.source) for name, read in reads.items() if read.native is not None]
        self._others = [(name, read.read) for name, read in reads.items() if read.native is None]

    def fill(self, values: dict[str, Any], subject: Subject) -> dict[str, Any]:
        """Raises UnfitError with the name as its second argument."""
        get = subject[1].get
        name = ""
        try:
            for name, native, source in self._texts:
                value = get(native)
                if value.__class__ is str:
                    values[name] = value or None
                else:
                    values[name] = None if value is None else as_text(value, source)
            for name, read in self._others:
                values[name] = read(subject)
        except UnfitError as unfit:
            raise UnfitError(unfit.args[0], name) from None
        return values


# ---------------------------------------------------------------------------------------------------------- evaluating


class Program:
    """One tree and what it reads."""

    def __init__(self, evaluator: Engine, tree: Node, variables: Mapping[str, Read]) -> None:
        self._reader = Reader(variables)
        self._evaluate = evaluator.expression(tree).eval

    def value(self, subject: Subject) -> Any:
        """The value. Raises UnfitError when there is none."""
        try:
            result = self._evaluate(data=self._reader.fill({}, subject))
            value = result.plain_value()
        except RuntimeError as error:
            raise UnfitError(in_words(str(error))) from None
        # The library gives the text of an error where a value is asked for.
        if value.__class__ is str and result.type().name() == "ERROR":
            raise UnfitError(in_words(value))
        return value

    def list(self, subject: Subject) -> Sequence[Any] | None:
        """The values of a list expression; None when something in it failed."""
        try:
            values = self._evaluate(data=self._reader.fill({}, subject)).plain_value()
        except (RuntimeError, UnfitError):
            return None
        return values if values.__class__ is list else None


_READY = frozenset([bool, int, type(None)])


class Several:
    """Several rules of one record: plain ones are read, the others are one evaluation together.

    Only when that fails is each evaluated for itself, to find the culprit; and none is where ``where`` does not hold.
    """

    def __init__(self, evaluator: Engine, rules: Mapping[str, Compiled], where: Compiled | None = None) -> None:
        self._plain = Reader({name: rule.read for name, rule in rules.items() if rule.read is not None})
        evaluated = {name: rule for name, rule in rules.items() if rule.read is None}
        self._names = tuple(evaluated)
        self._each = {name: Program(evaluator, rule.tree, rule.variables).value for name, rule in evaluated.items()}
        self._where = None if where is None else _value_of(where, evaluator)
        self._together: Program | None = None
        self._where_first = where is not None
        if evaluated:
            condition = where if where is not None and where.read is None else None
            self._together = _all_in_one(evaluator, condition, tuple(evaluated.values()))
            self._where_first = where is not None and where.read is not None

    def fill(self, values: dict[str, Any], subject: Subject) -> bool:
        """Set the values by name; False when ``where`` does not hold. Raises UnfitError, the name second."""
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

    def _holds(self, subject: Subject) -> bool:
        if self._where is None:
            return True
        holds = _named("where", self._where, subject)
        if holds is None or holds.__class__ is bool:
            return bool(holds)
        raise UnfitError(f"it gives {named(holds)}, and must give true or false", "where")

    def _one_by_one(self, subject: Subject) -> Sequence[Any]:
        if not self._holds(subject):
            return ()
        return [_named(name, value, subject) for name, value in self._each.items()]


def _named(name: str, function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except UnfitError as unfit:
        raise UnfitError(unfit.args[0], name) from None


def _value_of(compiled: Compiled, evaluator: Engine) -> Callable[[Subject], Any]:
    if compiled.read is not None:
        return compiled.read.read
    return Program(evaluator, compiled.tree, compiled.variables).value


def _all_in_one(evaluator: Engine, where: Compiled | None, rules: Sequence[Compiled]) -> Program:
    """Every rule in one evaluation, as a list; an empty one where ``where`` does not hold."""
    tree: Node = ListOf(tuple(rule.tree for rule in rules))
    if where is not None:
        tree = call("_?_:_", where.truth, tree, EMPTY_LIST)
    together = [*rules, *([where] if where else [])]
    return Program(evaluator, tree, {name: read for rule in together for name, read in rule.variables.items()})


# ------------------------------------------------------------------------------------------------------------- results


def presentable(value: Any) -> Any:
    """A result as a shape may hold it: what JSON can say. Timestamps become ISO 8601 text. Raises UnfitError."""
    budget = [MAX_SIZE]
    return _presentable(value, budget)


def _presentable(value: Any, budget: list[int]) -> Any:
    budget[0] -= len(value) if isinstance(value, str) else 1
    if budget[0] < 0:
        raise UnfitError(f"the result has more than {MAX_SIZE} characters or items")
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            if not math.isfinite(value):
                raise UnfitError("the result is not a finite number")
            return value
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return [_presentable(item, budget) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise UnfitError("the result is a map whose keys are not text")
            return {key: _presentable(value[key], budget) for key in sorted(value)}
        case _:
            raise UnfitError(
                f"the result is {named(value)}: give text, a number, true or false, a timestamp, a list or a map"
            )


# ------------------------------------------------------------------------------------------------------------- reasons

_TYPES = {
    "string": "text", "int64": "a whole number", "uint64": "a whole number", "double": "a number",
    "bool": "true or false", "list": "a list", "map": "a map", "null_type": "null", "bytes": "bytes", "type": "a type",
    "google.protobuf.Timestamp": "a timestamp", "google.protobuf.Duration": "a duration",
}  # fmt: skip

_REASONS: Sequence[tuple[str, str]] = (
    (r"(_&&_|_\|\|_|!_|<jump_condition>)", "a condition is neither true nor false"),
    (r"@in\b", "the right side of `in` is neither a list nor a map"),
    (r"<iter_range>", "exists, all, map and filter need a list"),
    (r"_\[\??_\]", "only lists and maps have items in [ ]"),
    (r"Key not found", "the map has no such key"),
    (r"SELECT to non-message", "only a map has parts to name after a dot"),
    (r"Index error", "the list is shorter than that"),
    (r"Timestamp conversion", "the text is not a timestamp, such as 2026-03-31T00:00:00Z"),
    (r"Duration conversion|^Duration", "the text is not a duration, such as 24h, or out of range"),
    (r"Type conversion error from '(\w+)' to '(\w+)'", r"cannot convert \1 to \2"),
    (r"invalid regular expression", "the regular expression is not valid"),
    (r"Iteration budget", "it goes through too many items"),
    (r"duplicate key", "a key stands twice in a map"),
    (r"map key type", "the key of a map is neither text, a number nor true or false"),
    (r"Integer value .* out of range", "a number is larger than 64 bits can hold"),
    (r"construction from null", "a text is not valid Unicode"),
)


def in_words(message: str) -> str:
    """The reason why an evaluation failed, without any value that the library put into it."""
    message = re.sub(r"^[A-Z_]+: ", "", re.sub(r" \[[A-Z_]+\]$", "", message))
    for pattern, words in _REASONS:
        found = re.search(pattern, message)
        if found:
            return found.expand(words)
    overload = re.fullmatch(r"No matching overloads found : (?:\((\S+)\)\.)?([^\s(]+)(?:\((.*)\))?", message)
    if overload is None:
        return re.sub(r"([\"']).*\1", "…", message)
    receiver, function, arguments = overload.groups()
    types = [_TYPES.get(name, name) for name in (receiver, *(arguments or "").split(", ")) if name]
    operator = re.fullmatch(r"_([^_]+)_|(-)_", function)
    if operator:
        return f"{operator[1] or operator[2]} does not work on {' and '.join(types)}"
    return f"no such function {function}" + (f" for {types[0]}" if types else "") + _with(types[1:])


def _with(types: Sequence[str]) -> str:
    return f" with {' and '.join(types)}" if types else ""
