"""SCIM paths on resources: reads and writes the value that a path names, in a resource as plain JSON.

Paths are those of PATCH (RFC 7644, section 3.5.2): ``title``, ``name.givenName``, ``emails[type eq "work"].value``,
``urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from scim2_models import Path, SCIMException
from scim2_models.path import AttrPath, CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator, ValuePath

from usersyncd.plugin import Value

Resource = dict[str, Any]

CORE = ("urn:ietf:params:scim:schemas:core:", "urn:scim:schemas:core:")
"""How the URN of a core schema begins: its attributes stand in the resource itself."""


class ScimPath(Struct, frozen=True):
    """A path. ``urn``: of an extension; ``attribute``, and ``sub`` of it; ``entry``: the values that identify one entry
    of a multi-valued attribute."""

    text: str
    attribute: str
    sub: str | None = None
    urn: str | None = None
    entry: tuple[tuple[str, Value], ...] = ()

    @property
    def top(self) -> str:
        """The path without entry and sub-attribute."""
        return f"{self.urn}:{self.attribute}" if self.urn else self.attribute

    def get(self, resource: Mapping[str, Any]) -> Value:
        """The value in a resource; None if there is none."""
        found: Any = _member(self._home(resource), self.attribute)
        if self.entry:
            found = next(iter(self._entries(found)), None)
        elif self.sub is not None and isinstance(found, list):
            found = _primary(found)
        if self.sub is not None:
            found = _member(found, self.sub)
        return None if found in ("", []) else found

    def put(self, resource: Resource, value: Value) -> None:
        """Write the value into a resource; None removes it. Entries of other types stay."""
        home = resource.setdefault(_name(resource, self.urn), {}) if self.urn else resource
        name = _name(home, self.attribute)
        if self.entry:
            _set(home, name, self._with_entry(home.get(name), value))
        elif self.sub is None:
            _set(home, name, value)
        else:
            old = home.get(name)
            inner = dict(old) if isinstance(old, Mapping) else {}
            _set(inner, _name(inner, self.sub), value)
            _set(home, name, inner or None)
        if self.urn and not home:
            del resource[_name(resource, self.urn)]

    def _home(self, resource: Mapping[str, Any]) -> Any:
        return _member(resource, self.urn) if self.urn else resource

    def _entries(self, found: Any) -> Iterator[Mapping[str, Any]]:
        for one in found if isinstance(found, list) else ():
            if isinstance(one, Mapping) and all(_equal(_member(one, name), value) for name, value in self.entry):
                yield one

    def _with_entry(self, found: Any, value: Value) -> list[Any] | None:
        entries = list(found) if isinstance(found, list) else []
        own = next(iter(self._entries(entries)), None)
        others = [one for one in entries if one is not own]
        if value is None:
            return others or None
        written = dict(own or dict(self.entry))
        if self.sub is not None:
            written[_name(written, self.sub)] = value
        if not any(_member(one, "primary") is True for one in entries):
            written.setdefault("primary", True)
        return [written if one is own else one for one in entries] if own is not None else [*entries, written]


def parse(text: str) -> ScimPath:
    """Parse a path. Raises ValueError for another form."""
    try:
        node = Path(text).ast
    except SCIMException as error:
        raise ValueError(f"{text} is not a SCIM path: {error}") from None
    if isinstance(node, AttrPath):
        return _path(text, node, node.sub_attr, ())
    if isinstance(node, ValuePath):
        return _path(text, node.attr_path, node.sub_attr or "value", tuple(_equalities(text, node.val_filter)))
    raise ValueError(f'{text} is not a SCIM path: write it as title, name.givenName or emails[type eq "work"].value')


def _path(text: str, node: AttrPath, sub: str | None, entry: tuple[tuple[str, Value], ...]) -> ScimPath:
    urn = node.uri if node.uri and not node.uri.lower().startswith(CORE) else None
    return ScimPath(text, node.attr, sub, urn, entry)


def _equalities(text: str, node: FilterNode) -> Iterator[tuple[str, Value]]:
    match node:
        case Comparison(attr_path=AttrPath(attr=name), op=CompareOperator.eq, value=value):
            yield name, value
        case LogicalExpr(op=LogicalOperator.and_, terms=terms):
            for term in terms:
                yield from _equalities(text, term)
        case _:
            raise ValueError(f"{text}: in the brackets, only `eq` and `and` say which entry is written")


def _member(found: Any, name: str) -> Any:
    return found.get(_name(found, name)) if isinstance(found, Mapping) else None


def _name(found: Mapping[str, Any], name: str | None) -> str:
    """The name as the resource spells it: names are case-insensitive (RFC 7643, section 2.1)."""
    name = name or ""
    if name in found:
        return name
    return next((each for each in found if each.lower() == name.lower()), name)


def _set(home: Resource, name: str, value: Any) -> None:
    if value is None:
        home.pop(name, None)
    else:
        home[name] = value


def _primary(found: list[Any]) -> Any:
    return next((one for one in found if _member(one, "primary") is True), found[0] if found else None)


def _equal(held: Any, wanted: Value) -> bool:
    return held.casefold() == wanted.casefold() if isinstance(held, str) and isinstance(wanted, str) else held == wanted
