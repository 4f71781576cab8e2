"""PATCH (RFC 7644, section 3.5.2) on resources as they are kept: plain objects.

scim2-models has a PATCH on models, but it drops attributes and extensions that its models do not declare; here nothing
is lost. Paths and filters are parsed by scim2-models.

A patch of a group says separately what happens to its members, so that adding one member to a group of 50,000 reads
none of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from scim2_models.path import FilterNode

from usersyncd.plugin import Kind, Value
from usersyncd.scim.errors import invalid_value, no_target, not_mutable
from usersyncd.scim.filter import described, entry_test
from usersyncd.scim.schema import ATTRIBUTES, CORE, Definition
from usersyncd.scim.values import check_texts, hashable, spelled, with_one_primary

MOST_FORMS = 50
"""In how many forms a remove may name entries: each is looked for in all entries."""
FEW = 40
"""Up to so many values, comparing each with all that are held takes less time than hashing these."""


class MemberEdits(Struct, frozen=True):
    """What a patch does to the members of a group, by id, its operations taken together.

    ``whole`` is the whole new set, and ``added`` and ``removed`` are empty; or it is None, and ``added`` and
    ``removed`` have no id in common. Adding a member that is there, or removing one that is not, changes nothing.
    """

    whole: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class PatchTarget(Struct, frozen=True):
    """What one step changes: an attribute of the core schema (``urn`` None) or of an extension, only its entries that
    match ``where``, only their sub-attribute ``sub``. An empty ``name`` is the whole extension."""

    name: str
    urn: str | None = None
    where: FilterNode | None = None
    sub: str | None = None
    definition: Definition | None = None
    """What the schema says of the attribute; None: it does not know the attribute."""


class PatchStep(Struct, frozen=True):
    """One change of one attribute."""

    op: Literal["add", "remove", "replace"]
    target: PatchTarget
    value: Value = None


class ResourcePatch(Struct, frozen=True):
    """A PATCH request: the steps in order, and what they do to a group's members (None: nothing)."""

    kind: Kind
    steps: tuple[PatchStep, ...]
    member_edits: MemberEdits | None = None


def patched(resource: Mapping[str, Value], patch: ResourcePatch) -> dict[str, Value]:
    """The resource after all steps, as a new object; the given one stays as it is. ``meta`` is not changed.

    Raises ScimError (``noTarget``, ``mutability``, ``invalidValue``): the request is refused as a whole.
    """
    result = dict(resource)
    for step in patch.steps:
        _apply(result, step)
    for definition in ATTRIBUTES[patch.kind].values():
        if definition.required and not result.get(definition.name):
            raise not_mutable(f"{definition.name} is required and cannot be removed")
    check_texts(patch.kind, result)
    result["schemas"] = schemas_of(patch.kind, result)
    return result


def schemas_of(kind: Kind, resource: Mapping[str, Value]) -> list[Value]:
    """The URNs that a resource names (RFC 7643, section 3): the core schema, and each extension that it has.

    Others that providers send (``urn:scim:schemas:core:1.0``, Microsoft's ADSCIM Group) stand for nothing.
    """
    return [CORE[kind], *(key for key in resource if key.lower().startswith("urn:"))]


def _apply(resource: dict[str, Value], step: PatchStep) -> None:
    target = step.target
    if target.urn is None:
        _change_attribute(resource, step)
        return
    if step.op == "remove" and resource.pop(spelled(resource, f"{target.urn}:{target.name}"), None) is not None:
        return  # An extension that we do not know: the path is its URN.
    key = spelled(resource, target.urn)
    held = resource.get(key)
    extension = dict(held) if isinstance(held, dict) else {}
    if target.name:
        _change_attribute(extension, step)
    else:
        extension = {}
    if extension:
        resource[key] = extension
    else:
        resource.pop(key, None)


def _change_attribute(holder: dict[str, Value], step: PatchStep) -> None:
    """Change one attribute of the resource or of an extension. Values inside are never changed in place."""
    target = step.target
    key = spelled(holder, target.name)
    held = holder.get(key)
    if target.where is not None:
        new = _change_entries(_entries(held), step, target.where)
    elif target.sub is not None:
        new = _change_sub(held, step, target.sub)
    elif step.op == "remove":
        new = _without(held, step.value)
    else:
        new = _combined(held, step)
    if new in (None, [], {}):
        holder.pop(key, None)
    else:
        holder[key] = new


def _entries(held: Value) -> list[Value]:
    return [] if held is None else list(held) if isinstance(held, list) else [held]


def _combined(held: Value, step: PatchStep) -> Value:
    """The attribute after an add or replace without filter and sub-attribute."""
    value = step.value
    definition = step.target.definition
    if isinstance(held, dict) and isinstance(value, dict):
        if "value" in value and value["value"] != held.get("value") and definition and "$ref" in definition.parts:
            return value  # Another manager: what was said of the former one does not hold.
        return _merged(held, value)  # Sub-attributes that are not named stay, also in a replace (section 3.5.2.3).
    many = definition.many if definition else isinstance(held, list)
    if step.op == "replace" or not many:
        return value
    entries = _entries(held)
    known = len(entries)
    entries += _new(_entries(value), entries)
    marked = (number for number, entry in enumerate(entries) if number >= known and _is_primary(entry))
    return with_one_primary(entries, next(marked, None))


def _new(values: list[Value], held: list[Value]) -> list[Value]:
    """Those of the values that are not held."""
    if len(values) < FEW:
        return [value for value in values if value not in held]
    known = set(map(hashable, held))
    return [value for value in values if hashable(value) not in known]


def _merged(held: Mapping[str, Value], value: Mapping[str, Value]) -> dict[str, Value]:
    """Null values remove."""
    known = {key.lower(): key for key in reversed(list(held))}
    named = {name if name in held else known.get(name.lower(), name): part for name, part in value.items()}
    return {name: part for name, part in {**held, **named}.items() if part is not None}


def _without(held: Value, value: Value) -> Value:
    """What a remove leaves. Entra names the entries to remove in ``value``, which RFC 7644 does not know."""
    if value is None or not isinstance(held, list):
        return None
    # The parts that an unwanted entry names, by their names: there are few sets of names, and may be many entries.
    unwanted: dict[tuple[str, ...], set[Hashable]] = {}
    for wanted in (one for one in _entries(value) if one != {}):
        names = tuple(sorted(wanted)) if isinstance(wanted, dict) else ()
        unwanted.setdefault(names, set()).add(_parts(wanted, names))
        if len(unwanted) > MOST_FORMS or len(names) > MOST_FORMS:
            raise invalid_value(
                f"a remove names entries by more than {MOST_FORMS} different sub-attributes", "name their values"
            )
    return [entry for entry in held if not any(_parts(entry, names) in parts for names, parts in unwanted.items())]


def _parts(entry: Value, names: Sequence[str]) -> Hashable:
    """What an entry has under these names; the entry itself if it has no parts."""
    if isinstance(entry, dict) and names:
        return tuple(hashable(entry.get(spelled(entry, name))) for name in names)
    return hashable(entry)


def _change_sub(held: Value, step: PatchStep, sub: str) -> Value:
    """``name.givenName``, or ``emails.value`` of every entry."""
    definition = step.target.definition
    if not isinstance(held, list) and not (definition and definition.many):
        return _with_sub(held if isinstance(held, dict) else {}, step, sub)
    entries = _entries(held)
    if not entries and step.op != "remove":
        entries = [{}]
    return [
        entry for entry in (_with_sub(each, step, sub) if isinstance(each, dict) else each for each in entries) if entry
    ]


def _with_sub(entry: Mapping[str, Value], step: PatchStep, sub: str) -> dict[str, Value]:
    """The entry with the step's sub-attribute added, replaced or removed."""
    return _merged(entry, {sub: None if step.op == "remove" else step.value})


def _change_entries(entries: list[Value], step: PatchStep, where: FilterNode) -> Value:
    """``emails[type eq "work"]`` and ``emails[type eq "work"].value``.

    If nothing matches, the entry that the filter describes is created: Entra expects it (scim2-models, "Tolerate a
    nonconformant peer"); RFC 7644, section 3.5.2.3, has ``noTarget`` for filters that describe none.
    """
    sub = step.target.sub
    matches = entry_test(where, step.target.definition)
    if step.op == "remove" and sub is None:
        return [entry for entry in entries if not matches(entry)]
    found = [number for number, entry in enumerate(entries) if matches(entry)]
    if not found:
        if step.op == "remove":
            return entries
        if (new := described(where, step.target.definition)) is None:
            raise no_target(f"no entry of {step.target.name} matches the filter {where}")
        entries.append(new)
        found = [len(entries) - 1]
    for number in found:
        entry = entries[number]
        if isinstance(entry, dict):
            entries[number] = _with_sub(entry, step, sub) if sub else _with_value(entry, step.value)
        else:
            entries[number] = step.value
    marked = next((number for number in found if _is_primary(entries[number])), None)
    return with_one_primary([entry for entry in entries if entry], marked)


def _with_value(entry: Mapping[str, Value], value: Value) -> dict[str, Value]:
    return _merged(entry, value if isinstance(value, dict) else {"value": value})


def _is_primary(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("primary") is True
