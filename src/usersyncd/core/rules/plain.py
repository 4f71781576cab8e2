"""Finds the rules that need no evaluator: an attribute, or ``lookup`` and ``default`` of attributes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.moments import earliest
from usersyncd.core.rules.paths import Accessor, PathError, RuleInput, look_up
from usersyncd.core.rules.scope import RuleScope
from usersyncd.core.rules.tree import Call, Literal, Name, Node, Select


class PlainReads:
    """Finds what a Python function can read. ``hidden``: names that the expression itself defines, as loops do."""

    def __init__(self, scope: RuleScope, tables: Mapping[str, Mapping[str, str]], faults: ExpressionFaults) -> None:
        self._scope, self._tables, self._faults = scope, tables, faults
        self.hidden: Collection[str] = ()

    def read(self, node: Node) -> Accessor | None:
        """How to read ``node``; None if that needs the evaluator. Collects the faults of paths."""
        match node:
            case Name() | Select(test=False) | Call("_[_]"):
                return self._path(node)
            case Call("lookup", (table, key), None):
                return self._lookup(table, self.read(key), node.offset)
            case Call("default", (value, other), None):
                return _default(self.read(value), constant(other) or self.read(other))
            case _:
                return None

    def _path(self, node: Node) -> Accessor | None:
        steps: list[str | int] = []
        offsets: list[int] = []
        while not isinstance(node, Name):
            match node:
                case Select(operand, field, False):
                    step: Any = field
                case Call("_[_]", (operand, Literal(step, 3 | 6))):
                    pass
                case _:
                    return None
            steps.insert(0, step)
            offsets.insert(0, node.offset + 1)
            node = operand
        if node.name in self.hidden:
            return None
        try:
            return self._scope.resolve(node.name.removeprefix("."), steps)
        except PathError as fault:
            self._faults.add(offsets[fault.step] if steps else node.offset, str(fault))
            return Accessor("", lambda _: None)

    def _lookup(self, table: Node, key: Accessor | None, offset: int) -> Accessor | None:
        if not isinstance(table, Literal):
            self._faults.add(offset, 'write the table\'s name in quotes: lookup("table", key)')
            return None
        name = str(table.value)
        self._scope.needs.tables.add(name)
        if name not in self._tables:
            known = ", ".join(sorted(self._tables)) or "none"
            self._faults.add(offset, f"there is no lookup table {name!r}: the configuration has {known}")
        if key is None:
            return None
        rows, read = self._tables.get(name, {}), key.read
        return Accessor(
            f"lookup({name!r}, {key.name})",
            lambda s: look_up(rows, read(s)),
            text=True,
            change=key.change,
            parts=_parts(key),
        )


def constant(node: Node) -> Accessor | None:
    """How to read a literal; None for any other node."""
    if not isinstance(node, Literal) or isinstance(node.value, bytes):
        return None
    value = node.value
    return Accessor(repr(value), lambda _: value, text=isinstance(value, str), nullable=value is None)


def _parts(*accessors: Accessor) -> tuple[Accessor, ...]:
    """The values that these accessors read in the end, without the functions in between."""
    return tuple(part for one in accessors for part in (one.parts or (one,)))


def _default(first: Accessor | None, second: Accessor | None) -> Accessor | None:
    if first is None or second is None:
        return None
    read, otherwise = first.read, second.read

    def default(subject: RuleInput) -> Any:
        value = read(subject)
        return otherwise(subject) if value is None or value == "" else value

    name = f"default({first.name}, {second.name})"
    changes = [change for change in (first.change, second.change) if change]

    def change(subject: RuleInput) -> datetime | None:
        return earliest(each(subject) for each in changes)

    text = first.text and second.text
    return Accessor(
        name,
        default,
        text=text,
        nullable=second.nullable,
        change=change if changes else None,
        parts=_parts(first, second),
    )
