"""A YAML file as plain data, with the place of each value, and with all its faults.

Faults are collected, not raised, so that the admin sees all of them at once. Each one shows its line, in which possible
secrets are blanked out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from usersyncd.config.excerpt import Excerpts, in_order, looks_secret, split_lines
from usersyncd.config.positions import turns
from usersyncd.config.scalars import scalar
from usersyncd.config.syntax import compose
from usersyncd.core.model import Rule
from usersyncd.errors import ConfigError, Fault, Place

KeyPath = tuple[str | int, ...]
Entries = dict[str, tuple[yaml.Node, yaml.Node]]

EXPANDED = 1_000_000
"""Maximum number of values of a file after its aliases are expanded. More is a mistake, or an attack ("billion
laughs")."""


class _TooBigError(Exception):
    """The file has more than :data:`EXPANDED` values."""


class Document:
    """A parsed file. ``data`` is plain data (dict, list, text, numbers, booleans, None). It is complete even if there
    are faults, so that one fault does not hide the others. Keys are text, as written."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._text = text
        self.excerpts = Excerpts(split_lines(text))
        self._faults: list[Fault] = []
        self._paths: set[tuple[int, int, str]] = set()
        self._messages: set[tuple[str, int, int, str, str]] = set()
        self._unreadable: set[tuple[int, int]] = set()
        self._entries: dict[int, Entries] = {}
        self._values: dict[int, Any] = {}
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._expanded = 0
        self.data: Any = None
        self.root: yaml.Node | None = None
        root = compose(text)
        if isinstance(root, yaml.Node):
            self._build(root)
        elif root is not None:
            self.excerpts.only_key(root.line)
            self._add(root.line, root.column, "", root.message)

    # ---- reading

    def node(self, path: KeyPath) -> tuple[yaml.Node | None, yaml.Node | None, KeyPath]:
        """The key and value nodes of the deepest value that exists on ``path``, and the path to it."""
        key: yaml.Node | None = None
        value = self.root
        found: KeyPath = ()
        for part in path:
            if isinstance(value, yaml.MappingNode) and part in self._entries.get(id(value), {}):
                key, value = self._entries[id(value)][str(part)]
            elif isinstance(value, yaml.SequenceNode) and isinstance(part, int) and part < len(value.value):
                key, value = None, value.value[part]
            else:
                break
            found = (*found, part)
        return key, value, found

    def value(self, path: KeyPath) -> Any:
        """The plain data at ``path``; None where there is nothing."""
        _, node, found = self.node(path)
        return self._values.get(id(node)) if found == path else None

    def at(self, path: KeyPath) -> Place:
        """The place of the value at ``path``."""
        _, value, _ = self.node(path)
        return Place(self.file, *_place(value)) if value else Place(self.file)

    def rule(self, path: KeyPath) -> Rule:
        """The text at ``path`` as a rule, which knows the place of each of its characters."""
        _, value, found = self.node(path)
        if not isinstance(value, yaml.ScalarNode) or found != path:
            raise TypeError(f"{path} is not text")
        all_turns = turns(self.file, self._text, value)
        return Rule(value.value, all_turns[0][1], all_turns[1:])

    def texts(self, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
        """Every text below ``path``, with its own path."""
        pending: list[tuple[KeyPath, Any]] = [(path, self.value(path))]
        while pending:
            here, value = pending.pop()
            if isinstance(value, str):
                yield here, value
            elif isinstance(value, dict):
                pending += [((*here, key), item) for key, item in value.items()]
            elif isinstance(value, list):
                pending += [((*here, index), item) for index, item in enumerate(value)]

    # ---- faults

    def fault(self, path: KeyPath, message: str, *, on_key: bool = False, hide: bool = False) -> None:
        """Note a fault at ``path``: at its value, or at its key (``on_key``). ``hide`` blanks out the value wherever
        its line is shown."""
        key, value, _ = self.node(path)
        node = (key if on_key else value) or value
        if hide and value is not None:
            self.excerpts.hide(value)
        line, column = _place(node) if node else (1, 1)
        # A value that could not be read has its fault already. Other faults at the same place follow from it.
        if (line, column) not in self._unreadable:
            self._add(line, column, ".".join(map(str, path)), message)

    def note(self, faults: Iterable[Fault]) -> None:
        """Note faults that were found elsewhere: in the rules, or in a file that this one names."""
        for fault in faults:
            # A fault that an anchor repeats is noted once.
            said = (fault.file, fault.line, fault.column, fault.path.rpartition(".")[2], fault.message)
            if said not in self._messages:
                self._messages.add(said)
                self._faults.append(fault)

    def _add(self, line: int, column: int, path: str, message: str) -> None:
        if (line, column, path) not in self._paths:
            self._paths.add((line, column, path))
            self.note([Fault(self.file, line, column, path, message)])

    def faults(self) -> list[Fault]:
        """All faults so far: first those of this file, in its order, then those of other files."""
        return in_order(self.file, self.excerpts, self._faults)

    def raise_faults(self) -> None:
        """Raise ConfigError with all faults, if there are any."""
        if faults := self.faults():
            count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
            raise ConfigError(f"{self.file}: {count}", faults=faults)

    # ---- building

    def _build(self, root: yaml.Node) -> None:
        self.root = root
        try:
            self.data = self._value(root, ())
        except _TooBigError:
            self.root = None
            self._add(1, 1, "", f"this file has more than {EXPANDED:,} values: remove aliases (*name)")

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        known = id(node)
        if known in self._open:
            self._wrong(node, path, "this alias contains itself")
            return None
        if known in self._values:
            self._grow(self._sizes[known])
            return self._values[known]
        before = self._expanded
        self._grow(1)
        self._open.add(known)
        value: Any
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node, path)
        elif isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        else:
            value = [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode) and node.tag not in {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}:
            self._wrong(node, path, "tags (words that begin with !) have no meaning here")
        self._open.discard(known)
        self._values[known] = value
        self._sizes[known] = self._expanded - before
        return value

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        try:
            return scalar(node)
        except ValueError as error:
            self._wrong(node, path, str(error))
            return node.value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        entries: Entries = {}
        merged: Entries = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.tag == "tag:yaml.org,2002:merge":
                self._merge(value_node, merged, path)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in entries:
                self._wrong(
                    key_node,
                    (*path, key),
                    f"is repeated: the first one is on line {entries[key][0].start_mark.line + 1}",
                )
            if looks_secret(key):
                self.excerpts.hide(value_node)
            entries.setdefault(key, (key_node, value_node))
        entries = entries | {key: pair for key, pair in merged.items() if key not in entries}
        self._entries[id(node)] = entries
        return {key: self._value(value_node, (*path, key)) for key, (_, value_node) in entries.items()}

    def _key(self, node: yaml.Node, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node, path, "a key must be text, not a list or a mapping")
            return None
        key = self._scalar(node, (*path, node.value))
        if key is None:
            self._wrong(node, path, "a key is missing before the colon")
            return None
        text: str = node.value
        return text

    def _merge(self, node: yaml.Node, merged: Entries, path: KeyPath) -> None:
        """Take the entries of the mappings behind ``<<``; the first one wins (https://yaml.org/type/merge.html)."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(part, yaml.MappingNode):
                self._wrong(part, path, "<< takes a mapping, or a list of mappings")
                continue
            self._value(part, path)
            for key, pair in self._entries.get(id(part), {}).items():
                merged.setdefault(key, pair)

    def _grow(self, count: int) -> None:
        self._expanded += count
        if self._expanded > EXPANDED:
            raise _TooBigError

    def _wrong(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        line, column = _place(node)
        self._unreadable.add((line, column))
        self._add(line, column, ".".join(map(str, path)), message)


def _place(node: yaml.Node) -> tuple[int, int]:
    """Line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
