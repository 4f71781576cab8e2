"""Finds comparisons and calls that the library accepts although they are mistakes: their operands never fit."""

from __future__ import annotations

from collections.abc import Callable

from usersyncd.core.rules.paths import Accessor
from usersyncd.core.rules.scope import GROUPS
from usersyncd.core.rules.tree import Call, Literal, Node

_COMPARISONS = frozenset(["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"])
_OF_TEXT = frozenset(["contains", "startsWith", "endsWith", "matches", "lowerAscii", "upperAscii", "trim"])
_LISTS = {f"user.{name}": what for name, (_, what) in GROUPS.items()}


def misfit(node: Call, read: Callable[[Node], Accessor | None]) -> str | None:
    """What to write instead of a call whose operands never fit; None: they may fit. ``read`` returns what a part of the
    expression reads."""
    match node:
        case Call(function, (left, right), None) if function in _COMPARISONS:
            return _of_comparison(left, right, read) or _of_comparison(right, left, read)
        case Call(function, _, receiver) if receiver is not None and function in _OF_TEXT:
            return _of_list(read(receiver))
        case _:
            return None


def _of_comparison(one: Node, other: Node, read: Callable[[Node], Accessor | None]) -> str | None:
    left, is_text = read(one), isinstance(other, Literal) and isinstance(other.value, str)
    match left, other:
        case Accessor(name, text=True), Call("now", (), None):
            return f"{name} is text: write timestamp({name}), or compare it with today()"
        case Accessor(name), _ if name in _LISTS and is_text:
            return _of_list(left)
        case Accessor(name), _ if name in ("user.active", "user.manager.active") and is_text:
            return f"{name} is true or false, and never text: write {name} alone, or !{name}"
        case _:
            return None


def _of_list(read: Accessor | None) -> str | None:
    what = _LISTS.get(read.name) if read else None
    return f'{read.name} is a list: write "{what}" in {read.name}' if read and what else None
