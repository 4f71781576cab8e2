"""Reads the body of a PATCH, in every form that Entra ID and Okta send.

Beyond RFC 7644, section 3.5.2: ``op`` in any case; an operation without ``path`` whose keys are paths
(``"name.givenName"``, ``"urn:…:User:department"``); one object instead of a list; members as bare texts; ``remove``
with ``path: members`` and the members to remove in ``value``; what only the server may write is ignored where an
operation without ``path`` brings it along (Okta's ``id``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

from scim2_models import Path
from scim2_models.exceptions import SCIMException
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import (
    invalid_filter,
    invalid_path,
    invalid_syntax,
    invalid_value,
    no_target,
    not_mutable,
)
from usersyncd.scim.filter import conjuncts, entry_test
from usersyncd.scim.patch import MemberEdits, PatchStep, PatchTarget, ResourcePatch
from usersyncd.scim.reading import DROPPED, member, member_ids
from usersyncd.scim.schema import CORE, EXTENSIONS, canonical_urn
from usersyncd.scim.values import cleaned, definitions

MOST_STEPS = 250
"""The most changes of attributes in one request: each may look at all values of an attribute. Members do not count."""
_Op = Literal["add", "remove", "replace"]
_OPS = ("add", "remove", "replace")
_SELECTING = {"value", "type"}
"""What a filter on members may compare: an id has one type only."""


def read_patch(kind: Kind, body: Mapping[str, Any]) -> ResourcePatch:
    """Raises ScimError: ``invalidSyntax``, ``invalidPath``, ``invalidFilter``, ``invalidValue``, ``noTarget``,
    ``mutability``."""
    operations = member(body, "Operations")
    if isinstance(operations, dict):
        operations = [operations]
    if not isinstance(operations, list) or not operations:
        raise invalid_syntax("the body has no Operations", 'write {"Operations": [{"op": …, "path": …, "value": …}]}')
    reader = _Reader(kind)
    for operation in operations:
        reader.read(operation)
    return ResourcePatch(kind, tuple(reader.steps), reader.members.edits())


class _Members:
    """Takes the member operations of one request together, in their order."""

    def __init__(self) -> None:
        self._whole: dict[str, None] | None = None
        self._added: dict[str, None] = {}
        self._removed: dict[str, None] = {}

    def add(self, ids: Iterator[str]) -> None:
        for each in ids:
            self._removed.pop(each, None)
            (self._added if self._whole is None else self._whole)[each] = None

    def remove(self, ids: Iterator[str]) -> None:
        for each in ids:
            self._added.pop(each, None)
            if self._whole is None:
                self._removed[each] = None
            else:
                self._whole.pop(each, None)

    def replace(self, ids: Iterator[str]) -> None:
        self._whole = dict.fromkeys(ids)
        self._added, self._removed = {}, {}

    def edits(self) -> MemberEdits | None:
        if self._whole is not None:
            return MemberEdits(whole=tuple(self._whole))
        if self._added or self._removed:
            return MemberEdits(added=tuple(self._added), removed=tuple(self._removed))
        return None


class _Reader:
    """Turns the operations of one request into steps and member edits."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.steps: list[PatchStep] = []
        self.members = _Members()

    def read(self, operation: Any) -> None:
        if not isinstance(operation, dict):
            raise invalid_syntax("an operation is not an object")
        op = str(member(operation, "op") or "").lower()
        if op not in _OPS:
            raise invalid_syntax(f"{op!r} is not a PATCH operation", "use add, replace or remove")
        path, value = member(operation, "path"), member(operation, "value")
        if path is not None and not isinstance(path, str):
            raise invalid_path("a path is not text")
        if value is None and (
            op == "add" or (op == "replace" and not any(name.lower() == "value" for name in operation))
        ):
            raise invalid_value(f"the operation {op} has no value")
        if path and path.strip():
            self._with_path(cast("_Op", op), path.strip(), value)
        elif op == "remove":
            raise no_target("a remove without path does not say what to remove")
        else:
            self._without_path(cast("_Op", op), value)

    def _with_path(self, op: _Op, path: str, value: Any) -> None:
        if (extension := self._whole_extension(path, value)) is not None:
            self._change_extension(op, extension, value)
            return
        target = parsed_target(self.kind, path)
        name = target.name.lower()
        if self.kind == Kind.GROUP and target.urn is None and name == "members":
            self._change_members(op, target, value)
        elif target.urn is None and name in DROPPED[self.kind]:
            if name not in {"password", "schemas"}:
                raise not_mutable(f"{target.name} is set by the server")
        else:
            self._add(_step(op, target, value))

    def _without_path(self, op: _Op, value: Any) -> None:
        """Each member of the value is an attribute, or a path."""
        if not isinstance(value, dict):
            raise invalid_value(f"the value of a {op} without path is not an object")
        self._change_each(op, "", value)

    def _change_each(self, op: _Op, prefix: str, values: Mapping[str, Any]) -> None:
        """Change the attributes of an object. What only the server says is ignored, and so is ``"members": null``: as
        in a PUT, it says nothing of the members."""
        core = f"{CORE[self.kind]}:".lower()
        for key, part in values.items():
            path = f"{prefix}{key}"
            name = path.lower().removeprefix(core)
            if name in DROPPED[self.kind] - {"members"}:
                continue
            if part is None and (op == "add" or name == "members"):
                continue
            self._with_path(op, path, part)

    def _whole_extension(self, path: str, value: Any) -> str | None:
        """The URN, if the path names a schema and not an attribute: the grammar cannot tell one from the other."""
        if not path.lower().startswith("urn:"):
            return None
        urn = canonical_urn(path)
        if urn == CORE[self.kind] or urn in EXTENSIONS[self.kind]:
            return urn
        schema = path.rpartition(":")[0]
        if schema.count(":") < 2:
            return urn  # What precedes the last colon is not a URN (RFC 8141).
        return urn if isinstance(value, dict) and not definitions(self.kind, schema) else None

    def _change_extension(self, op: _Op, urn: str, value: Any) -> None:
        if op == "remove" or value is None:
            if urn == CORE[self.kind]:
                raise no_target("a remove of the core schema does not say what to remove")
            self._add(PatchStep("remove", PatchTarget("", urn)))
            return
        if not isinstance(value, dict):
            raise invalid_value(f"{urn} is an object of attributes")
        self._change_each(op, f"{urn}:", value)

    def _add(self, step: PatchStep) -> None:
        if len(self.steps) == MOST_STEPS:
            raise invalid_value(
                f"the request makes more than {MOST_STEPS} changes of attributes", "send several requests"
            )
        self.steps.append(step)

    def _change_members(self, op: _Op, target: PatchTarget, value: Any) -> None:
        if target.sub is not None:
            raise not_mutable("the parts of a member cannot be changed", "remove the member and add another one")
        if target.where is not None:
            if op != "remove":
                raise not_mutable("a member cannot be changed", "remove the member and add another one")
            self.members.remove(_selected_ids(target.where))
        elif op == "add":
            self.members.add(member_ids(value))
        elif op == "replace":
            self.members.replace(member_ids([] if value is None else value))
        elif value is None:
            self.members.replace(iter(()))
        else:
            self.members.remove(member_ids(value))


def parsed_target(kind: Kind, text: str) -> PatchTarget:
    """Raises ScimError ``invalidPath``, or ``invalidFilter`` for what is wrong inside the brackets."""
    try:
        path: Path[Any] = Path(text)
        parts, where = path.parts, path.value_filter
    except (SCIMException, ValueError):
        if "[" in text:
            raise invalid_filter(f"the filter in the path {text!r} cannot be read") from None
        raise invalid_path(f"the path {text!r} cannot be read") from None
    if not parts:
        raise invalid_path(f"the path {text!r} names no attribute")
    urn = canonical_urn(path.schema) if path.schema else None
    if urn == CORE[kind]:
        urn = None
    definition = definitions(kind, urn).get(parts[0].lower())
    name = definition.name if definition else parts[0]
    sub = parts[1] if len(parts) == 2 else None
    if definition and sub:
        if definition.type != "complex":
            raise invalid_path(f"{name} has no sub-attributes, so {text!r} names nothing")
        part = definition.parts.get(sub.lower())
        sub = part.name if part else sub
    if where is not None:
        if definition and not definition.many:
            raise invalid_path(f"{name} has one value, so {text!r} cannot select among several")
        entry_test(where, definition)  # Its faults are those of the request, also for a resource without entries.
    return PatchTarget(name, urn, where, sub, definition)


def _step(op: _Op, target: PatchTarget, value: Any) -> PatchStep:
    """A null, or an empty value, means that nothing is assigned (RFC 7643, section 2.5)."""
    if op == "remove":
        return PatchStep(op, target, _to_remove(target, value))
    new = _new_value(target, value)
    return PatchStep("remove", target) if new is None else PatchStep(op, target, new)


def _to_remove(target: PatchTarget, value: Any) -> Value:
    """The entries that a remove names in its value; None: all that the path names."""
    if value is None or target.where is not None or target.sub is not None:
        return None
    if target.definition and not target.definition.many:
        return None
    return value if isinstance(value, list) else [value]


def _new_value(target: PatchTarget, value: Any) -> Value:
    definition = target.definition
    if definition is None:
        return cast("Value", value)
    if target.sub is not None:
        return cleaned(definition.parts.get(target.sub.lower()), value)
    if target.where is None:
        return cleaned(definition, value)
    entries = cleaned(definition, value)
    if not isinstance(entries, list):
        return entries
    if len(entries) > 1:
        raise invalid_value(f"{target.name} with a filter takes one value, not {len(entries)}")
    return cast("Value", entries[0])


def _selected_ids(where: FilterNode) -> Iterator[str]:
    """The ids in ``members[value eq "…"]``, also several joined by ``or``.

    Other filters would have to read all members of the group.
    """
    if isinstance(where, LogicalExpr) and where.op == LogicalOperator.or_:
        for term in where.terms:
            yield from _selected_ids(term)
        return
    compared = {
        str(term.attr_path).lower(): term.value
        for term in conjuncts(where)
        if isinstance(term, Comparison) and term.op == CompareOperator.eq
    }
    if (
        len(compared) == len(conjuncts(where))
        and isinstance(compared.get("value"), str)
        and compared.keys() <= _SELECTING
    ):
        yield compared["value"]
        return
    raise invalid_filter(f"members cannot be selected by {where}", 'select them by id: members[value eq "…"]')
