"""Drift: the differences between an object and its link, which somebody made in the target."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, auto

from msgspec import Struct, structs

from usersyncd.core.links import Link, State, is_stranger
from usersyncd.core.model import DriftPolicy, Guard, Limit
from usersyncd.core.report import Verified, Violation
from usersyncd.plugin import Held, Layout, Value

Same = Callable[[str, Value, Value], bool]
"""Whether the held value of an attribute is the written value, perhaps in another form: name, written, held."""

MISSING = Limit(10, percent=True)
"""How many of the objects may be missing. If more are, this is probably another target, or an old copy."""


class Difference(Enum):
    """How an object differs from its link.

    ``SAME``: not at all. ``CHANGED``: in attributes. ``RENAMED``: it has another key, and only the target knows whether
    it is still the linked object. ``STRANGER``: it is another object.
    """

    SAME = auto()
    CHANGED = auto()
    RENAMED = auto()
    STRANGER = auto()


class Finding(Struct, frozen=True):
    """The result of comparing an object with its link. ``link``: the link as the object is now, for CHANGED; for
    RENAMED only its shape."""

    difference: Difference
    link: Link


def inspect(
    held: Held,
    link: Link,
    record: tuple[str, str],
    layout: Layout,
    drift: DriftPolicy,
    same: Same,
    access: Collection[str] = ("active",),
) -> Finding:
    """Compare an object with its link. ``record``: directory and id of the linked record. In a leaver's object only the
    attributes ``access`` count, and ``drift`` keeps none of them."""
    if held.key == link.key and held.record in (None, record) and _is_equal(held, link):
        return Finding(Difference.SAME, link)  # Nearly all are: comparing forms is slower.
    key = link.key if same(layout.key, link.key, held.key) else held.key
    found = {name: _found(name, value, held, same) for name, value in link.shape.items() if name in layout.attributes}
    if held.record not in (None, record):
        return Finding(Difference.STRANGER, link)
    differing = {name: value for name, value in found.items() if _differs(value, link.shape[name])}
    left = link.state is State.LEAVER or link.left_at is not None
    if left:
        # Only the access of a leaver is removed again; the rest stays as it is.
        differing_access = {name: value for name, value in differing.items() if name in access}
        differing = differing if differing_access and differing_access.get("active") is not False else {}
    else:
        differing = {name: value for name, value in differing.items() if not drift.keeps(name)}
    if key != link.key and held.record is None:
        if is_stranger(structs.replace(held, attributes=found), link.shape, {}, link.key, layout.key):
            return Finding(Difference.STRANGER, link)
        if differing if left else not drift.keeps(layout.key):
            shown = {n: v for n, v in differing.items() if not left or (n in access and n != layout.key)}
            return Finding(Difference.RENAMED, structs.replace(link, shape=link.shape | shown))
    if not differing:
        return Finding(Difference.SAME, link)
    key = key if differing.get(layout.key) is not None else link.key
    return Finding(Difference.CHANGED, structs.replace(link, shape=link.shape | differing, key=key))


def _is_equal(held: Held, link: Link) -> bool:
    attributes, shape = held.attributes, link.shape
    return shape.items() <= attributes.items() or all(
        attributes.get(name, value) == value for name, value in shape.items()
    )


def _found(name: str, written: Value, held: Held, same: Same) -> Value:
    """The value that an object holds, in the form in which it was written. A value that the target cannot read counts
    as the written one."""
    value = held.attributes.get(name, written)
    if same(name, written, value):
        return written
    return value in (True, 1, "true", "1") if name == "active" and value is not None else value


def _differs(found: Value, written: Value) -> bool:
    return found is not written and found != written


def missing(verified: Verified, guard: Guard) -> list[Violation]:
    """The violation of the limit for missing objects, if there is one."""
    count, of = verified.missing, verified.objects
    if count < max(guard.at_least, 1) or count * 100 <= MISSING.amount * of:
        return []
    return [Violation(limit="missing", allowed=str(MISSING), found=f"{100 * count / of:.0f}% ({count} of {of})")]
