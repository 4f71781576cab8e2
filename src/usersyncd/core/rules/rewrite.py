"""Rewrites an expression so that a missing attribute evaluates to null instead of failing the record.

CEL has no overload for ``null.endsWith("x")`` and would fail. So each operation that may get a null is wrapped in CEL's
own conditions (``v != null && v.endsWith("x")``), which is several times faster than functions in Python. Values that
are not null are computed by the library alone. docs/rules.md says what each operation returns for a null.

The library limits the nesting of an expression and the steps of all its loops together (10,000), but neither the size
of texts nor the cost of ``map`` and ``filter``, which is quadratic. The rewriter adds those limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from msgspec import Struct
from msgspec.structs import replace

from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.operands import misfit
from usersyncd.core.rules.parts import Part, bound_by, grown_by, is_null, joined, whole_tree
from usersyncd.core.rules.paths import Accessor
from usersyncd.core.rules.plain import PlainReads
from usersyncd.core.rules.scope import RuleScope
from usersyncd.core.rules.tree import (
    EMPTY_LIST,
    EMPTY_TEXT,
    FALSE,
    NULL,
    TRUE,
    ZERO,
    Call,
    ListOf,
    Literal,
    Loop,
    MapOf,
    Message,
    Name,
    Node,
    Select,
    bind,
    call,
)

MAX_SIZE = 20_000
"""The largest number of characters or items in a result, and in the text that a growing function receives."""

MAX_ITEMS = 2_000
"""The largest number of items for ``map`` and ``filter``."""


class NullRule(Struct, frozen=True):
    """The result of a function whose operand is null: ``absent``. ``text``: its other results are text."""

    absent: Node = NULL
    text: bool = False


_NO = NullRule(FALSE)
_TEXT = NullRule(text=True)
_NULL_RULES: Mapping[str, NullRule] = {
    "startsWith": _NO, "endsWith": _NO, "contains": _NO, "matches": _NO,
    "_<_": _NO, "_<=_": _NO, "_>_": _NO, "_>=_": _NO,
    "size": NullRule(ZERO), "split": NullRule(EMPTY_LIST),
    "lowerAscii": _TEXT, "upperAscii": _TEXT, "trim": _TEXT, "replace": _TEXT, "substring": _TEXT, "charAt": _TEXT,
    "reverse": _TEXT, "join": _TEXT, "format": _TEXT, "quote": _TEXT, "string": _TEXT,
}  # fmt: skip
"""The functions whose result for null docs/rules.md promises. Any other function returns null."""

_NAMESPACES = frozenset(["strings"])
_MAX_GROWTH = 64


class Rewriter:
    """Rewrites the trees of one scope. ``reads``: the values that the evaluator must receive, by name."""

    def __init__(self, scope: RuleScope, tables: Mapping[str, Mapping[str, str]], faults: ExpressionFaults) -> None:
        self._scope = scope
        self._plain = PlainReads(scope, tables, faults)
        self._locals: dict[str, bool] = {}
        self._count = 0
        self._faults = faults
        self.reads: dict[str, Accessor] = {}

    def plain(self, node: Node) -> Accessor | None:
        """How to read ``node`` without the evaluator; None if that is not possible."""
        return self._plain.read(node)

    def value_tree(self, node: Node) -> Node:
        """The tree that evaluates to the value of ``node``, or to null."""
        return whole_tree(self._part(node))

    def truth(self, node: Node) -> Node:
        """The tree that evaluates ``node`` as a condition: null counts as false."""
        return whole_tree(self._firm(node), FALSE)

    def _firm(self, node: Node) -> Part:
        """A part that is never loose: what may be null has a name, which is compared with null before it is used."""
        part = self._part(node)
        return self._under_a_name(part) if part.loose else part

    def _under_a_name(self, part: Part) -> Part:
        """The same part as a name, which may be repeated."""
        if isinstance(part.tree, Name | Literal) and not part.loose:
            return part
        name = self._fresh()
        whole = whole_tree(Part(part.tree, part.guards, loose=part.loose))
        guards = (name,) if part.nullable else ()
        return Part(Name(name), guards, (*part.bound, (name, whole)), text=part.text, grown=part.grown)

    def _fresh(self) -> str:
        self._count += 1
        return f"@{self._count}"

    # ------------------------------------------------------------------------------------------------------- the pieces

    def _part(self, node: Node) -> Part:
        read = self.plain(node)
        if read is not None:
            name = f"@{read.name}"
            self.reads[name] = read
            return Part(Name(name), (name,) if read.nullable else (), text=read.text)
        match node:
            case Literal(value):
                return Part(node, loose=value is None, text=isinstance(value, str))
            case Name(name, offset):
                if name == "NULL":  # what the checker is given for null
                    self._faults.add(offset, "write null")
                return Part(node, (name,) if self._locals.get(name) else ())
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf(items):
                return Part(ListOf(tuple(map(self.value_tree, items))))
            case MapOf(entries):
                return Part(MapOf(tuple((self.value_tree(key), self.value_tree(value)) for key, value in entries)))
            case Loop():
                return self._loop(node)
            case Message(name, offset):
                self._faults.add(offset, f"{name} cannot be made in a rule: use text, numbers, lists and maps")
                return Part(NULL)

    def _select(self, node: Select) -> Part:
        """A key that a map lacks is null, and ``has(x.y)`` says whether the key exists and is not null."""
        if node.test:
            value = self._under_a_name(self._part(Select(node.operand, node.field, offset=node.offset)))
            present = call("_!=_", Name(value.guards[0]), NULL) if value.guards else TRUE
            return Part(present, (), value.bound)
        owner = self._under_a_name(self._part(node.operand))
        tree = call("_?_:_", Select(owner.tree, node.field, test=True), Select(owner.tree, node.field), NULL)
        return Part(tree, owner.guards, owner.bound, loose=True)

    def _loop(self, node: Loop) -> Part:
        items, start = self._firm(node.items), self.value_tree(node.start)
        if start == EMPTY_LIST and isinstance(node.items, Name | Select | Call):
            items = self._limited(items, MAX_ITEMS)
        outer = self._locals
        self._locals = {**outer, node.item: not self._is_without_nulls(node.items), node.accumulator: False}
        self._plain.hidden = self._locals
        inner = (self.truth(node.go_on), self.value_tree(node.step), self.value_tree(node.result))
        self._plain.hidden = self._locals = outer
        return Part(Loop(node.item, whole_tree(items, EMPTY_LIST), node.accumulator, start, *inner), grown=items.grown)

    def _limited(self, part: Part, limit: int) -> Part:
        """The same part, which fails the record when it has more than ``limit`` characters or items."""
        name = part.tree if isinstance(part.tree, Name) else Name(self._fresh())
        size = Literal(limit, 3)
        tree = call("_?_:_", call("_<=_", call("size", name), size), name, call("tooLarge", size))
        return replace(part, tree=tree if name is part.tree else bind(name.name, part.tree, tree), grown=1)

    def _is_without_nulls(self, node: Node) -> bool:
        """Whether no item of a list is null."""
        match node:
            case Call("split"):
                return True
            case Loop(item, items, step=Call("_?_:_", (_, Call("_+_", (_, ListOf((Name(kept),)))), _))):
                return kept == item and self._is_without_nulls(items)  # filter
            case _:
                read = self.plain(node)
                return read is not None and read.name == "user.groups"

    # -------------------------------------------------------------------------------------------------------- functions

    def _call(self, node: Call) -> Part:
        if message := misfit(node, self.plain):
            self._faults.add(node.offset, message)
        match node:
            case Call("_?_:_", (condition, yes, no)):
                parts = self._part(yes), self._part(no)
                tree = call("_?_:_", self.truth(condition), *map(whole_tree, parts))
                loose, text = any(part.nullable for part in parts), all(part.text for part in parts)
                return Part(tree, loose=loose, text=text, grown=grown_by(parts))
            case Call("_&&_" | "_||_" | "!_" | "@not_strictly_false", arguments):
                return Part(call(node.function, *map(self.truth, arguments)))
            case Call("_==_" | "_!=_" | "type", arguments):
                return Part(call(node.function, *map(self.value_tree, arguments)))
            case Call("now" | "today", (), None):
                return self._time(node)
            case Call("dyn", (value,)):
                return self._part(value)
            case Call("@in", (item, items)):
                part = self._firm(items)
                return Part(whole_tree(replace(part, tree=call("@in", self.value_tree(item), part.tree)), FALSE))
            case Call("_+_"):
                return self._sum([self._firm(summand) for summand in _summands(node)])
            case Call("_[_]", (owner, key)):
                pair = self._firm(owner), self._firm(key)
                return joined(pair, Call("orValue", (NULL,), call("_[?_]", *(part.tree for part in pair))), loose=True)
            case Call("default", (value, other), None):
                return self._default(self._under_a_name(self._part(value)), self._part(other))
            case Call("lookup", (table, key), None):
                return Part(call("lookup", table, self.value_tree(key)), loose=True, text=True)
            case _:
                return self._strict(node)

    def _time(self, node: Call) -> Part:
        accessor = self._scope.time(node.function)
        if accessor is None:
            message = f"only rules for the users of a target can read {node.function}()"
            self._faults.add(node.offset - len(node.function), message)
            return Part(NULL)
        name = f"@{accessor.name}"
        self.reads[name] = accessor
        # The library takes no datetime of Python's, but text.
        return Part(Name(name) if accessor.text else call("timestamp", Name(name)), text=accessor.text)

    def _strict(self, node: Call) -> Part:
        """A function that cannot take null: with a null operand it is null, or what its sort of function is then."""
        function, receiver = node.function, node.target
        nodes = list(node.arguments)
        has_receiver = receiver is not None and not self._is_namespace(receiver)
        if receiver is not None and has_receiver:
            nodes.insert(0, receiver)
        parts = [self._firm(operand) for operand in nodes]
        if function == "join" and not self._is_without_nulls(nodes[0]):
            parts[0] = self._without_nulls(parts[0])
        growth = _growth(function, node.arguments)
        if growth > 1 and grown_by(parts) * growth > _MAX_GROWTH:
            parts = [self._limited(part, MAX_SIZE) if part.grown > 1 else part for part in parts]
        trees = [part.tree for part in parts]
        target = trees.pop(0) if has_receiver else receiver
        rule = _NULL_RULES.get(function, NullRule())
        part = joined(parts, Call(function, tuple(trees), target), text=rule.text)
        if rule.absent is not NULL:
            return Part(whole_tree(part, rule.absent), grown=part.grown)
        return replace(part, grown=part.grown * growth)

    def _is_namespace(self, node: Node) -> bool:
        return isinstance(node, Name) and node.name in _NAMESPACES and node.name not in self._locals

    def _without_nulls(self, part: Part) -> Part:
        """``part.filter(item, item != null)``, as the macro expands."""
        part = self._limited(part, MAX_ITEMS)
        kept, item = Name("@kept"), Name("@item")
        step = call("_?_:_", call("_!=_", item, NULL), call("_+_", kept, ListOf((item,))), kept)
        return replace(part, tree=Loop(item.name, part.tree, kept.name, EMPTY_LIST, TRUE, step, kept))

    def _default(self, value: Part, other: Part) -> Part:
        absent = call("_==_", value.tree, EMPTY_TEXT)
        if value.guards:
            absent = call("_||_", is_null(value), absent)
        tree = call("_?_:_", absent, whole_tree(other), value.tree)
        text = value.text and other.text
        return Part(tree, (), value.bound, loose=other.nullable, text=text, grown=grown_by([value, other]))

    def _sum(self, parts: Sequence[Part]) -> Part:
        """``+``: nulls are left out. A sum with text contains only text, so there a null can be the empty text."""
        if not any(part.text for part in parts):
            return reduce(self._plus, parts)
        tree = reduce(_add, (whole_tree(replace(part, bound=()), EMPTY_TEXT) for part in parts))
        loose = all(part.guards for part in parts)
        if loose:
            nothing = reduce(lambda left, right: call("_&&_", left, right), map(is_null, parts))
            tree = call("_?_:_", nothing, NULL, tree)
        return Part(tree, (), bound_by(parts), loose=loose, text=True, grown=grown_by(parts))

    def _plus(self, left: Part, right: Part) -> Part:
        if left.nullable or right.nullable:
            left, right = self._under_a_name(left), self._under_a_name(right)
        tree = _add(left.tree, right.tree)
        if right.guards:
            tree = call("_?_:_", is_null(right), left.tree, tree)
        if left.guards:
            tree = call("_?_:_", is_null(left), right.tree, tree)
        both = (left, right)
        return Part(tree, (), bound_by(both), loose=all(part.guards for part in both), grown=grown_by(both))


def _add(left: Node, right: Node) -> Node:
    return call("_+_", left, right)


def _summands(node: Node) -> Iterator[Node]:
    """``a + b + c``: a, b, c."""
    if isinstance(node, Call) and node.function == "_+_":
        yield from _summands(node.arguments[0])
        yield node.arguments[1]
    else:
        yield node


def _growth(function: str, arguments: Sequence[Node]) -> int:
    """How many times longer than its operands the result of a text function may be."""
    match function, arguments:
        case "replace", (Literal(str() as old), Literal(str() as new), *_):
            return max(1, -(-len(new) // len(old)) if old else len(new) + 1)
        case "join", (Literal(str() as separator),):
            return len(separator) + 1
        case "join", ():
            return 1
        case "replace" | "join", _:
            return 1000
        case _:
            return 1
