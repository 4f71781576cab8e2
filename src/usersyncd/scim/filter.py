"""Filters (RFC 7644, section 3.4.2.2) on resources as they are kept: plain objects.

scim2-models parses the whole grammar, with Entra's ``emails[type eq "work"].value eq "x"``. It evaluates filters on its
models only, which would cost a scan ten times as much and drop what the models do not declare: so a parsed filter is
compiled to a function of an object here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import (
    ORDERING_OPERATORS,
    STRING_OPERATORS,
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Present,
    ValuePath,
)

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import invalid_filter
from usersyncd.scim.schema import CORE, Definition, Definitions, canonical_urn
from usersyncd.scim.values import cleaned, definitions, folded, spelled

Test = Callable[[Any], bool]
"""Whether an object matches."""
Values = Callable[[Any], list[Any]]
"""The values of one attribute of an object: none, one, or those of all entries."""


def parsed(text: str) -> FilterNode:
    """Raises ScimError ``invalidFilter``."""
    try:
        return ScimFilter(text).ast
    except InvalidFilterException as error:
        raise invalid_filter(f"the filter cannot be read: {error.detail}") from None


def resource_test(kind: Kind, node: FilterNode) -> Test:
    """Whether a resource matches. Raises ScimError ``invalidFilter``."""
    return _FilterCompiler(_AttributesOf(kind)).visit(node)


def entry_test(node: FilterNode, definition: Definition | None) -> Test:
    """Whether an entry of a multi-valued attribute matches a filter in brackets. Raises ScimError ``invalidFilter``.

    A plain value counts as ``{"value": it}``.
    """
    test = _FilterCompiler(_PartsOf(definition)).visit(node)
    return lambda entry: test(entry if isinstance(entry, dict) else {"value": entry})


def described(node: FilterNode, definition: Definition | None) -> dict[str, Value] | None:
    """The entry that a filter of ``eq`` joined by ``and`` describes; None if the filter is another one."""
    entry: dict[str, Value] = {}
    for term in conjuncts(node):
        if not isinstance(term, Comparison) or term.op != CompareOperator.eq or term.attr_path.sub_attr:
            return None
        part = definition.parts.get(term.attr_path.attr.lower()) if definition else None
        entry[part.name if part else term.attr_path.attr] = cleaned(part, term.value)
    return entry


def names_in(node: FilterNode) -> set[str]:
    """The attributes of the resource that a filter reads, in lower case."""
    if isinstance(node, LogicalExpr):
        return {name for term in node.terms for name in names_in(term)}
    if isinstance(node, Not):
        return names_in(node.expr)
    path = getattr(node, "attr_path", None)
    return {path.attr.lower()} if isinstance(path, AttrPath) else set()


def conjuncts(node: FilterNode) -> list[FilterNode]:
    """The filters that ``and`` joins, also through parentheses."""
    if isinstance(node, LogicalExpr) and node.op == LogicalOperator.and_:
        return [each for term in node.terms for each in conjuncts(term)]
    return [node]


def indexed(kind: Kind, node: FilterNode) -> tuple[str, str] | None:
    """An attribute and its value that every match has, and that a store finds by an index; None if there is none.

    ``id`` is among the attributes.
    """
    found = {}
    for term in conjuncts(node):
        comparisons: list[FilterNode] = [term]
        prefix = ""
        if isinstance(term, ValuePath) and term.sub_attr is None:
            comparisons, prefix = conjuncts(term.val_filter), f"{_core_name(kind, term.attr_path)}."
        for each in comparisons:
            if isinstance(each, Comparison) and each.op == CompareOperator.eq and isinstance(each.value, str):
                name = _INDEXED[kind].get(f"{prefix}{_core_name(kind, each.attr_path)}")
                if name is not None and each.value:
                    found[name] = each.value
    return next(((name, found[name]) for name in _INDEXED[kind].values() if name in found), None)


def seeks(node: FilterNode) -> bool:
    """Whether a filter looks for particular resources: every match has a text or number that the filter names.

    ``pr``, ``ne``, ``not``, booleans, and what is before or after, choose among all resources, as a listing does.
    """
    if isinstance(node, LogicalExpr):
        return (any if node.op == LogicalOperator.and_ else all)(map(seeks, node.terms))
    if isinstance(node, ValuePath):
        return seeks(node.val_filter)
    return (
        isinstance(node, Comparison)
        and node.op in _SEEKING
        and not isinstance(node.value, bool)
        and node.value not in (None, "")
    )


_SEEKING = {CompareOperator.eq, CompareOperator.co, CompareOperator.sw, CompareOperator.ew}
_INDEXED: Mapping[Kind, Mapping[str, str]] = {
    Kind.USER: {
        "id": "id",
        "username": "userName",
        "externalid": "externalId",
        "emails": "emails.value",
        "emails.value": "emails.value",
        "displayname": "displayName",
    },
    Kind.GROUP: {"id": "id", "externalid": "externalId", "displayname": "displayName"},
}
"""What a store finds by an index (``ResourceStore.lookup``), the most selective first."""


def _core_name(kind: Kind, path: AttrPath) -> str:
    """In lower case, without the URN of the core schema."""
    sub = f".{path.sub_attr}" if path.sub_attr else ""
    urn = f"{path.uri}:" if path.uri and canonical_urn(path.uri) != CORE[kind] else ""
    return f"{urn}{path.attr}{sub}".lower()


class ComparedAttribute(Struct, frozen=True):
    """How to read one attribute, and how its values are compared. ``definition`` is that of the values."""

    name: str
    values: Values
    definition: Definition | None


class _AttributesOf:
    """Finds the attributes of a resource."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def attribute(self, path: AttrPath) -> ComparedAttribute:
        urn = None if path.uri is None or canonical_urn(path.uri) == CORE[self.kind] else path.uri
        known = definitions(self.kind, urn)
        read = _reader(path, known)
        if urn is None:
            return read
        extension = canonical_urn(urn)
        return ComparedAttribute(
            str(path), lambda resource: read.values(resource.get(spelled(resource, extension))), read.definition
        )


class _PartsOf:
    """Finds the sub-attributes of an entry."""

    def __init__(self, definition: Definition | None) -> None:
        self.definition = definition

    def attribute(self, path: AttrPath) -> ComparedAttribute:
        return _reader(path, self.definition.parts if self.definition else {})


def _reader(path: AttrPath, known: Definitions) -> ComparedAttribute:
    definition = known.get(path.attr.lower())
    name = definition.name if definition else path.attr
    if path.sub_attr is None:
        return ComparedAttribute(str(path), _plain(name, exact=definition is not None), definition)
    part = definition.parts.get(path.sub_attr.lower()) if definition else None
    sub = part.name if part else path.sub_attr
    return ComparedAttribute(str(path), _inside(_plain(name, exact=definition is not None), sub), part)


def _plain(name: str, *, exact: bool) -> Values:
    def values(holder: Any) -> list[Any]:
        if not isinstance(holder, dict):
            return []
        found = holder.get(name if exact else spelled(holder, name))
        return found if isinstance(found, list) else [] if found is None else [found]

    return values


def _inside(outer: Values, sub: str) -> Values:
    def values(holder: Any) -> list[Any]:
        entries = [entry for entry in outer(holder) if isinstance(entry, dict)]
        return [found for entry in entries if (found := entry.get(spelled(entry, sub))) is not None]

    return values


class _FilterCompiler(FilterVisitor[Test]):
    """Turns a parsed filter into a function. Raises ScimError ``invalidFilter``."""

    def __init__(self, attributes: _AttributesOf | _PartsOf) -> None:
        self._attributes = attributes

    def visit_comparison(self, node: Comparison) -> Test:
        path = node.attr_path
        attribute = self._attributes.attribute(path)
        if attribute.definition and attribute.definition.type == "complex":
            if "value" not in attribute.definition.parts:
                raise invalid_filter(f"{path} has sub-attributes: name the one to compare")
            value = AttrPath(path.attr, "value", path.uri)  # RFC 7644, section 3.4.2.2: ``emails co "example.com"``.
            attribute = self._attributes.attribute(value)
        return _comparison(attribute, node.op, node.value)

    def visit_present(self, node: Present) -> Test:
        values = self._attributes.attribute(node.attr_path).values
        return lambda holder: any(value not in (None, "", {}) for value in values(holder))

    def visit_not(self, node: Not) -> Test:
        test = self.visit(node.expr)
        return lambda holder: not test(holder)

    def visit_logical_expr(self, node: LogicalExpr) -> Test:
        tests = [self.visit(term) for term in node.terms]
        if node.op == LogicalOperator.and_:
            return lambda holder: all(test(holder) for test in tests)
        return lambda holder: any(test(holder) for test in tests)

    def visit_value_path(self, node: ValuePath) -> Test:
        attribute = self._attributes.attribute(node.attr_path)
        test = entry_test(node.val_filter, attribute.definition)
        if node.sub_attr is None:
            return lambda holder: any(test(entry) for entry in attribute.values(holder))
        raise invalid_filter(f"{node} compares nothing", f'write {node} eq "…"')


def _comparison(attribute: ComparedAttribute, op: CompareOperator, operand: Any) -> Test:
    if operand is None:  # Null means "not assigned" (RFC 7643, section 2.5): it is not before or after anything.
        if op not in (CompareOperator.eq, CompareOperator.ne):
            return _never
        wanted = op == CompareOperator.eq
        return lambda holder: (not attribute.values(holder)) is wanted
    if op in STRING_OPERATORS and attribute.definition and attribute.definition.type == "dateTime":
        return _never  # They compare texts.
    comparable = _comparable(attribute, op)
    try:
        expected = comparable(operand)
    except ValueError:
        raise invalid_filter(f"{attribute.name} cannot be compared with {operand!r}") from None
    compare = _COMPARISONS[op]

    def holds(value: Any) -> bool:
        try:
            return compare(comparable(value), expected)
        except (TypeError, ValueError):
            return False  # Values of different types: neither equal nor ordered.

    if op == CompareOperator.ne:  # No value equals the operand; so it holds for what is not assigned.
        return lambda holder: not any(_equal(comparable, value, expected) for value in attribute.values(holder))
    return lambda holder: any(holds(value) for value in attribute.values(holder))


def _never(_holder: Any) -> bool:
    return False


def _equal(comparable: Callable[[Any], Any], value: Any, expected: Any) -> bool:
    try:
        return bool(comparable(value) == expected)
    except ValueError:
        return False


def _comparable(attribute: ComparedAttribute, op: CompareOperator) -> Callable[[Any], Any]:
    """The function that turns a value, and the operand, into what is compared."""
    definition = attribute.definition
    kind = definition.type if definition else ""
    if kind in {"boolean", "binary"} and op in ORDERING_OPERATORS:
        raise invalid_filter(f"{attribute.name} is {kind}: {op} does not apply")
    if op in STRING_OPERATORS:
        return _text if definition and definition.case_exact else _folded
    if kind == "boolean":
        return _boolean
    if kind == "dateTime":
        return _moment
    if op in ORDERING_OPERATORS:
        return _as_sent if definition and definition.case_exact else _folded_text
    return _typed if definition and definition.case_exact else lambda value: _typed(_folded_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004  what cannot be compared, as the parsers of dates say it
    return value


def _folded(value: Any) -> str:
    return folded(_text(value))


def _as_sent(value: Any) -> Any:
    return value


def _folded_text(value: Any) -> Any:
    return folded(value) if isinstance(value, str) else value


def _typed(value: Any) -> tuple[bool, Any]:
    """So that true and 1 differ."""
    return isinstance(value, bool), value


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in {"true", "false"}:
        raise ValueError(value)
    return text == "true"


def _moment(value: Any) -> datetime:
    """RFC 7643, section 2.3.5; without a zone: UTC."""
    moment = datetime.fromisoformat(_text(value))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_COMPARISONS: Mapping[CompareOperator, Callable[[Any, Any], bool]] = {
    CompareOperator.eq: lambda value, operand: bool(value == operand),
    CompareOperator.ne: lambda value, operand: bool(value != operand),
    CompareOperator.co: lambda value, operand: operand in value,
    CompareOperator.sw: lambda value, operand: bool(value.startswith(operand)),
    CompareOperator.ew: lambda value, operand: bool(value.endswith(operand)),
    CompareOperator.gt: lambda value, operand: bool(value > operand),
    CompareOperator.ge: lambda value, operand: bool(value >= operand),
    CompareOperator.lt: lambda value, operand: bool(value < operand),
    CompareOperator.le: lambda value, operand: bool(value <= operand),
}
