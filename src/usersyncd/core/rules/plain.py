"""Rules that need no evaluator: an attribute, and ``lookup`` and ``default`` of attributes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from usersyncd.core.rules.paths import Accessor, PathError, RuleInput, RuleScope, look_up
from usersyncd.core.rules.tree import Call, Literal, Name, Node, Select


class Fault(Struct, frozen=True):
    """A mistake in an expression, ``offset`` characters from its start; -1: in the whole of it."""

    offset: int
    message: str


def column(text: str, offset: int) -> str:
    """Where in an expression a mistake is, in words; empty where it is in the whole of it."""
    if offset < 0 or not text:
        return ""
    before = text[:offset]
    row = f"line {before.count(chr(10)) + 1}, " if "\n" in text else ""
    return f" ({row}column {len(before) - before.rfind(chr(10))} of the expression)"


class PlainReads:
    """Finds what a Python function can read. ``hidden`` are names that the expression itself gives to other things."""

    def __init__(self, scope: RuleScope, tables: Mapping[str, Mapping[str, str]]) -> None:
        self._scope, self._tables = scope, tables
        self.hidden: Collection[str] = ()
        self.faults: list[Fault] = []

    def read(self, node: Node) -> Accessor | None:
        """How to read ``node``; None when that takes the evaluator. Mistakes in paths are added to ``faults``."""
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
        offset = 0
        while not isinstance(node, Name):
            match node:
                case Select(operand, field, False):
                    step: Any = field
                case Call("_[_]", (operand, Literal(step, 3 | 6))):
                    pass
                case _:
                    return None
            steps.insert(0, step)
            offset, node = node.offset + 1, operand
        if node.name in self.hidden:
            return None
        try:
            return self._scope.resolve(node.name.removeprefix("."), steps)
        except PathError as fault:
            self.faults.append(Fault(offset if steps else node.offset, str(fault)))
            return Accessor("", lambda _: None)

    def _lookup(self, table: Node, key: Accessor | None, offset: int) -> Accessor | None:
        if not isinstance(table, Literal):
            self.faults.append(Fault(offset, 'write the table\'s name in quotes: lookup("table", key)'))
            return None
        name = str(table.value)
        self._scope.needs.tables.add(name)
        if name not in self._tables:
            known = ", ".join(sorted(self._tables)) or "none"
            self.faults.append(Fault(offset, f"there is no lookup table {name!r}: the configuration has {known}"))
        if key is None:
            return None
        rows, read = self._tables.get(name, {}), key.read
        return Accessor(f"lookup({name!r}, {key.name})", lambda s: look_up(rows, read(s)), text=True)


def constant(node: Node) -> Accessor | None:
    """A literal, as something to read; None for anything else."""
    if not isinstance(node, Literal) or isinstance(node.value, bytes):
        return None
    value = node.value
    return Accessor(repr(value), lambda _: value, text=isinstance(value, str), nullable=value is None)


def _default(first: Accessor | None, second: Accessor | None) -> Accessor | None:
    if first is None or second is None:
        return None
    read, otherwise = first.read, second.read

    def default(subject: RuleInput) -> Any:
        value = read(subject)
        return otherwise(subject) if value is None or value == "" else value

    name = f"default({first.name}, {second.name})"
    return Accessor(name, default, text=first.text and second.text, nullable=second.nullable)
