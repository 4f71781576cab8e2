"""Functions that read what a path such as ``user.manager.email`` names.

A path needs no evaluator. But the evaluator receives its values through these functions too, so that an attribute means
the same in a plain rule and in an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from usersyncd.errors import Place

Raw = dict[str, Any]


NO_MOMENT = datetime.min.replace(tzinfo=UTC)
"""The moment of an evaluation whose rules cannot read the time."""


class RuleInput(Struct, frozen=True, gc=False):
    """The input of rules for one record: its ``id`` and native attributes (``raw``). For a user also the names and the
    ids of the groups, the manager's id and native attributes, and the moment of the evaluation, in UTC."""

    id: str
    raw: Raw
    groups: Sequence[str] = ()
    group_ids: Sequence[str] = ()
    manager: str | None = None
    manager_raw: Raw = {}
    now: datetime = NO_MOMENT


class UnfitError(Exception):
    """A value cannot be used. The message says why, without showing the value."""


class PathError(Exception):
    """A path that names nothing. The message says what to write instead. ``step``: the part of the path that is wrong;
    0 is the first one after the root."""

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


Change = Callable[[RuleInput], datetime | None]
"""Computes when a value of a record changes next because time passes; None: never."""


class Accessor(Struct, frozen=True):
    """Reads one value of a record; null if the directory holds none.

    ``native`` is set if the value is only the text under that key of the record's own attributes, which is read
    faster; messages call it ``source``. ``text``: the value is text or null. ``nullable``: it may be null. ``change``
    computes when the value changes although the record does not. ``parts``: what a function such as ``default`` reads.
    """

    name: str
    read: Callable[[RuleInput], Any]
    native: str | None = None
    source: str = ""
    text: bool = False
    nullable: bool = True
    change: Change | None = None
    parts: tuple[Accessor, ...] = ()


class Attribute(Struct, frozen=True):
    """Where a canonical attribute comes from: the key ``native`` of the record's attributes.

    ``source`` is what the mapping says (for messages), ``at`` its place in the configuration, and ``natives`` the
    attributes that the directory must be asked for; None: all.
    """

    name: str
    native: str
    source: str
    at: Place | None
    natives: frozenset[str] | None


def own(attribute: Attribute, name: str) -> Accessor:
    """A canonical attribute of the record itself, under ``name``."""
    native, source = attribute.native, attribute.source
    if attribute.name == "active":
        return Accessor(name, lambda s: as_active(s.raw.get(native), source), nullable=False)
    return Accessor(name, lambda s: as_text(s.raw.get(native), source), native=native, source=source, text=True)


DERIVED = "\0"
"""The beginning of our own keys, under which the results of the mapping's expressions are stored."""


def path(root: str, steps: Sequence[str | int]) -> str:
    """The text of a path."""
    return root + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]" for step in steps
    )


# ---------------------------------------------------------------------------------------------------- canonical values

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def as_text(value: Any, source: str) -> str | None:
    """The value of a canonical attribute: text, or None if it is absent. A list gives its first item, a number its
    digits."""
    if value.__class__ is list:
        value = value[0] if value else None
    match value:
        case None | "":
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return str(value).removesuffix(".0")
        case _:
            raise UnfitError(
                f"{source} holds {named(value)}, and a canonical attribute is text: map it with an expression over raw"
            )


def as_active(value: Any, source: str) -> bool:
    """The value of ``active``. An absent one means true."""
    if value.__class__ is list:
        value = value[0] if value else None
    if value.__class__ is bool:
        return bool(value)
    if value is None or value == "":
        return True
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise UnfitError(f"{source} is neither true nor false: map active with an expression over raw")
    return known


def named(value: Any) -> str:
    """The type of a value in words, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a map"
        case _:
            return "something that is not data"


def dig(value: Any, steps: Sequence[str | int]) -> Any:
    """Follow ``steps`` into maps (text) and lists (numbers); None when anything on the way is missing."""
    for step in steps:
        if isinstance(step, str):
            value = value.get(step) if value.__class__ is dict else None
        else:
            value = value[step] if value.__class__ is list and 0 <= step < len(value) else None
    return None if value == "" else value


TOO_LARGE = "a number is larger than 64 bits can hold"


def fits(number: int) -> bool:
    """Whether a whole number has at most 64 bits with its sign: no database and no evaluator holds a larger one."""
    return -(2**63) <= number < 2**63


def bounded(value: Any) -> Any:
    """The value itself. Raises UnfitError if a whole number in it is too large."""
    if value.__class__ is str:
        return value
    pending = [value]
    while pending:  # A directory may nest values deeper than functions can call themselves.
        each = pending.pop()
        if each.__class__ is int and not fits(each):
            raise UnfitError(TOO_LARGE)
        if each.__class__ is list:
            pending += each
        elif each.__class__ is dict:
            pending += each.values()
    return value


def look_up(rows: Mapping[str, str], key: Any) -> str | None:
    """The row for a key, which is text or a number. Raises UnfitError for any other."""
    match key:
        case None:
            return None
        case str():
            return rows.get(key)
        case bool():
            return rows.get("true" if key else "false")
        case int() | float():
            return rows.get(str(key).removesuffix(".0"))
        case _:
            raise UnfitError(f"lookup needs text or a number as its key, and this is {named(key)}")
