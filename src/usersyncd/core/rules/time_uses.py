"""Finds where an expression reads the time. A comparison of a date with the time changes at a known moment."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from usersyncd.core.rules.tree import Call, Loop, Name, Node, call, children, parts

MIRRORED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}
"""The comparison operators, each with the one that means the same with the operands exchanged."""


class TimeComparison(Struct, frozen=True):
    """``function() operator border``, where ``border`` does not depend on the time."""

    function: str
    operator: str
    border: Node


def time_uses(tree: Node, hidden: frozenset[str] = frozenset()) -> Iterator[TimeComparison | str]:
    """Each comparison with ``now()`` or ``today()``; for any other use of them, the function's name. ``hidden``: the
    variables of the loops around the tree, which have no value outside."""
    match tree:
        case Call("now" | "today" as function, (), None):
            yield function
            return
        case Call(operator, (left, right), None) if operator in MIRRORED:
            found = _solved(operator, left, right) or _solved(MIRRORED[operator], right, left)
            if found is not None and not _depends(found.border, hidden):
                yield found
                return
        case Loop(item, _, accumulator):
            hidden |= {item, accumulator}
    for child in children(tree):
        yield from time_uses(child, hidden)


def _solved(operator: str, left: Node, right: Node) -> TimeComparison | None:
    """``left operator right`` solved for the time on its left side; None if the time is not there."""
    match left:
        case Call("now" | "today" as function, (), None):
            return TimeComparison(function, operator, right)
        case Call("_-_", (Call("now", (), None), other)):
            return TimeComparison("now", operator, call("_+_", other, right))
        case Call("_-_", (other, Call("now", (), None))):
            return TimeComparison("now", MIRRORED[operator], call("_-_", other, right))
        case Call("_+_", (Call("now", (), None), other) | (other, Call("now", (), None))):
            return TimeComparison("now", operator, call("_-_", right, other))
        case _:
            return None


def _depends(border: Node, hidden: frozenset[str]) -> bool:
    """Whether a border has another value at another time, or in another round of a loop."""
    return any(
        (isinstance(part, Name) and part.name in hidden)
        or (isinstance(part, Call) and part.function in ("now", "today") and part.target is None)
        for part in parts(border)
    )
