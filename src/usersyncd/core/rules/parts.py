"""The parts of a rewritten expression, each with the conditions under which it is null."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from msgspec import Struct

from usersyncd.core.rules.tree import FALSE, NULL, Name, Node, bind, call


class Part(Struct, frozen=True):
    """A part of an expression: null if one of the names in ``guards`` is null, otherwise ``tree``.

    ``bound`` is evaluated first. ``loose``: the tree itself may still be null. ``text``: it is text when it is not
    null. ``grown``: by which factor its size may exceed that of its operands.
    """

    tree: Node
    guards: tuple[str, ...] = ()
    bound: tuple[tuple[str, Node], ...] = ()
    loose: bool = False
    text: bool = False
    grown: int = 1

    @property
    def nullable(self) -> bool:
        return self.loose or bool(self.guards)


def whole_tree(part: Part, absent: Node = NULL) -> Node:
    """The whole tree of a part. It evaluates to ``absent`` if a guard is null: FALSE for a condition."""
    tree = part.tree
    if absent is FALSE:
        for guard in part.guards:
            tree = call("_&&_", call("_!=_", Name(guard), NULL), tree)
    elif part.guards and not (absent is NULL and part.guards == names_of(tree)):
        tree = call("_?_:_", is_null(part), absent, tree)
    for name, value in reversed(part.bound):
        tree = bind(name, value, tree)
    return tree


def is_null(part: Part) -> Node:
    """The condition that a guard of ``part`` is null."""
    return reduce(
        lambda left, right: call("_||_", left, right), (call("_==_", Name(guard), NULL) for guard in part.guards)
    )


def names_of(tree: Node) -> tuple[str, ...]:
    """The name, when the tree is nothing but a name."""
    return (tree.name,) if isinstance(tree, Name) else ()


def bound_by(parts: Sequence[Part]) -> tuple[tuple[str, Node], ...]:
    return tuple(pair for part in parts for pair in part.bound)


def grown_by(parts: Sequence[Part]) -> int:
    return max((part.grown for part in parts), default=1)


def joined(parts: Sequence[Part], tree: Node, *, loose: bool = False, text: bool = False) -> Part:
    """A part with this tree, which is composed of ``parts`` and null if one of them is null."""
    guards = tuple(dict.fromkeys(guard for part in parts for guard in part.guards))
    return Part(tree, guards, bound_by(parts), loose, text, grown_by(parts))
