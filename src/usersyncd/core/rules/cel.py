"""Converts CEL expressions to trees, and back: the library parses the text, and evaluates the rewritten tree.

``cel-expr-python`` hands out a parsed expression as a serialized ``cel.expr.ParsedExpr`` and takes one back
(https://github.com/google/cel-spec/blob/master/proto/cel/expr/syntax.proto). So a rule can be rewritten as a tree, by a
few lines that know that message, and no second parser of the language is needed. Macros (``exists``, ``has`` …) come
expanded.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings

from usersyncd.core.rules.tree import Literal, Name, Node, children
from usersyncd.core.rules.wire import decode, encode

MAX_TEXT = 4000
"""Characters in one expression. The library's parser itself refuses nesting beyond 32 levels."""


# ---------------------------------------------------------------------------------------------------- from and to text


class ExpressionError(Exception):
    """The library refuses the text: ``problems`` holds offsets into it (from 0) and messages."""

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__(problems)
        self.problems = problems


@cache
def _parser() -> Any:
    return cel.NewEnv(extensions=[ext_strings.ExtStrings()])


@cache
def _checker(maps: frozenset[str], values: frozenset[str]) -> Any:
    """An environment that checks expressions over these ``maps`` and ``values``."""
    types = cel.Type
    variables = dict.fromkeys(values, types.DYN) | dict.fromkeys(maps, types.Map(types.STRING, types.DYN))
    signatures = {
        "lookup": (types.DYN, [types.STRING, types.DYN]),
        "default": (types.DYN, [types.DYN, types.DYN]),
        "now": (types.TIMESTAMP, []),
        "today": (types.STRING, []),
    }
    functions = [
        cel.FunctionDecl(name, [cel.Overload(id=name, return_type=given, parameters=parameters, is_member=False)])
        for name, (given, parameters) in signatures.items()
    ]
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()], functions=functions)


def parse(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError."""
    if len(text) > MAX_TEXT:
        raise ExpressionError([(0, f"the expression has {len(text)} characters, and {MAX_TEXT} are the limit")])
    try:
        wire = _parser().compile(text, disable_check=True).serialize()
    except RuntimeError as error:
        raise ExpressionError(_problems(text, str(error))) from None
    return decode(wire)


_TAKEN = frozenset(["bool", "bytes", "double", "dyn", "int", "list", "map", "null_type", "string", "type", "uint"])
"""The names of CEL's types, which no variable may have."""


def check(text: str, tree: Node, maps: Iterable[str] = (), values: Iterable[str] = ()) -> str:
    """Let the library check an expression over these ``maps``, and ``values`` of any type. Returns its static type,
    ``DYN`` if that is not known. Raises ExpressionError.

    For CEL, ``"a"`` and ``null`` have no type in common, so it would refuse ``c ? "a" : null``. But here any attribute
    may be null. So the checker sees each ``null`` as ``NULL``, a variable without a type; its length is the same, so
    the columns of faults stay right. A value whose name CEL uses for a type is written in capitals too.
    """
    for offset, word in _to_capitals(tree, _TAKEN.intersection(values)):
        if text.startswith(word, offset):
            text = f"{text[:offset]}{word.upper()}{text[offset + len(word) :]}"
    open_ = frozenset(name.upper() if name in _TAKEN else name for name in values)
    try:
        return str(_checker(frozenset(maps), open_ | {"NULL"}).compile(text).return_type().name())
    except RuntimeError as error:
        raise ExpressionError(_problems(text, str(error))) from None


def _to_capitals(node: Node, names: Set[str]) -> Iterator[tuple[int, str]]:
    match node:
        case Literal(None, _, offset):
            yield offset, "null"
        case Name(name, offset) if name in names:
            yield offset, name
        case _:
            for child in children(node):
                yield from _to_capitals(child, names)


def _problems(text: str, message: str) -> list[tuple[int, str]]:
    """The offsets and messages in the library's text: ``ERROR: <input>:1:10: undeclared …`` gives (9, "undeclared
    …")."""
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]
    found = []
    for part in message.split("ERROR: <input>:")[1:]:
        line, column, words = part.split("\n", 1)[0].removesuffix(" [INVALID_ARGUMENT]").split(":", 2)
        if "recursion" not in words and "<<nil>>" not in words:
            words = words.strip().replace(" (in container '')", "").split(" expecting {")[0]
            words = words.replace("mismatched input '<EOF>'", "it ends too early")
            found.append((starts[min(int(line), len(starts)) - 1] + max(int(column) - 1, 0), words))
    if not found:
        deep = "recursion" in message
        found.append((0, "it is nested too deeply: 32 levels are the limit" if deep else message.split("\n", 1)[0]))
    return found


# ---------------------------------------------------------------------------------------------------- evaluating trees


Expression = Any
"""A compiled expression of the library: ``.eval(data={name: value})``."""


class CelEnvironment:
    """Compiles trees to expressions that can be evaluated. These may call ``functions`` by name; what a function raises
    is the error of the rule."""

    def __init__(self, functions: Mapping[str, tuple[int, Callable[..., Any]]]) -> None:
        dyn = cel.Type.DYN
        own = [
            cel.FunctionDecl(
                name,
                [cel.Overload(id=name, return_type=dyn, parameters=[dyn] * arity, is_member=False, impl=function)],
            )
            for name, (arity, function) in functions.items()
        ]
        extensions = [ext_strings.ExtStrings(), ext_optional.ExtOptional(), cel.CelExtension("usersyncd", own)]
        self._env = cel.NewEnv(extensions=extensions)

    def expression(self, tree: Node) -> Expression:
        """Raises ExpressionError when the tree is too deep for the library (about 48 levels)."""
        try:
            return self._env.deserialize(encode(tree))
        except RuntimeError:
            raise ExpressionError([(0, "it is nested too deeply: split it, or use lookup(table, key)")]) from None


# ------------------------------------------------------------------------------------------------------------- results


_keep_none = ctypes.pythonapi.Py_IncRef
_keep_none.argtypes, _keep_none.restype = [ctypes.py_object], None
_NONE_ENDS = sys.version_info < (3, 12)
"""Whether None can run out of references: from Python 3.12 on it cannot (PEP 683)."""


def plain(result: Any) -> Any:
    """The Python value of a result.

    For each null in it, cel-expr-python 0.1.3 releases a reference to None that it does not own. After some ten
    thousand nulls, Python 3.11 ends with "deallocating None". So this adds the references again; one too many does no
    harm.
    """
    value = result.plain_value()
    if _NONE_ENDS:
        for _ in range(_nulls(value)):
            _keep_none(None)
    return value


def _nulls(value: Any) -> int:
    if value.__class__ is dict:
        value = list(value.values())
    if value.__class__ is not list:
        return int(value is None)
    nulls = 0
    for item in value:
        if item is None:
            nulls += 1
        elif item.__class__ is list or item.__class__ is dict:
            nulls += _nulls(item)
    return nulls
