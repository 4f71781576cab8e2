"""The tree of a CEL expression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct


class Literal(Struct, frozen=True):
    """A constant; ``field`` is its number in ``cel.expr.Constant``, which tells an int from an unsigned one."""

    value: Any
    field: int
    offset: int = 0


class Name(Struct, frozen=True):
    name: str
    offset: int = 0


class Select(Struct, frozen=True):
    """``operand.field``, or ``has(operand.field)`` when ``test``; ``offset`` is the dot's."""

    operand: Node
    field: str
    test: bool = False
    offset: int = 0


class Call(Struct, frozen=True):
    """``target.function(arguments)``; operators have names such as ``_+_`` and no target."""

    function: str
    arguments: tuple[Node, ...]
    target: Node | None = None
    offset: int = 0


class ListOf(Struct, frozen=True):
    items: tuple[Node, ...]


class MapOf(Struct, frozen=True):
    entries: tuple[tuple[Node, Node], ...]


class Message(Struct, frozen=True):
    """``google.protobuf.Thing{…}``, which no rule needs."""

    name: str
    offset: int = 0


class Loop(Struct, frozen=True):
    """An expanded macro: ``accumulator`` is ``start``, then ``step`` for each of ``items``, while ``go_on`` holds."""

    item: str
    items: Node
    accumulator: str
    start: Node
    go_on: Node
    step: Node
    result: Node


Node = Literal | Name | Select | Call | ListOf | MapOf | Message | Loop

NULL = Literal(None, 1)
FALSE = Literal(False, 2)
TRUE = Literal(True, 2)
ZERO = Literal(0, 3)
EMPTY_TEXT = Literal("", 6)
EMPTY_LIST = ListOf(())


def call(function: str, *arguments: Node) -> Call:
    return Call(function, arguments)


def bind(name: str, value: Node, body: Node) -> Node:
    """``body``, in which ``name`` stands for ``value``, evaluated once (what the macro ``cel.bind`` becomes)."""
    return Loop("@unused", EMPTY_LIST, name, value, FALSE, Name(name), body)


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Select(operand):
            return (operand,)
        case Call(_, arguments, target):
            return arguments if target is None else (target, *arguments)
        case ListOf(items):
            return items
        case MapOf(entries):
            return tuple(part for entry in entries for part in entry)
        case Loop(_, items, _, start, go_on, step, result):
            return (items, start, go_on, step, result)
        case _:
            return ()


def parts(node: Node) -> Iterator[Node]:
    """The node and all nodes below it."""
    yield node
    for child in children(node):
        yield from parts(child)
