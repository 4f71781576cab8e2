"""What a path such as ``user.manager.email`` reads, as a Python function.

A path needs no evaluator. Everything that the evaluator is given comes through these functions too, so that an
attribute means the same in a plain rule and in an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from usersyncd.errors import Place

Raw = dict[str, Any]


NO_MOMENT = datetime.min.replace(tzinfo=UTC)
"""Where no rule can read the time."""


class RuleInput(Struct, frozen=True, gc=False):
    """What the rules read of one record: ``id`` and native attributes ``raw``; of a user also the names and the ids of
    the groups, the manager's id and native attributes, and the moment of the evaluation, in UTC."""

    id: str
    raw: Raw
    groups: Sequence[str] = ()
    group_ids: Sequence[str] = ()
    manager: str | None = None
    manager_raw: Raw = {}
    now: datetime = NO_MOMENT


class UnfitError(Exception):
    """A value cannot be used. The message says why in words, and does not show the value."""


class PathError(Exception):
    """A path means nothing here. The message says what to write instead; ``step`` is the part of the path that is
    wrong, 0 for the first one behind the root."""

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


Change = Callable[[RuleInput], datetime | None]
"""When something that was read of a record changes next because time passes; None: never."""


class Accessor(Struct, frozen=True):
    """One thing to read of a subject; null where the directory holds nothing.

    ``native`` is set when it is nothing but the text under that key of the record's own attributes: the fast way;
    messages call it ``source``. ``text`` says that it is text or null, ``nullable`` that it may be null. ``change``
    says when the value changes although the record does not. ``parts`` are what a function of values reads.
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
"""Keys that begin so are ours: what an expression of the mapping gave for a canonical attribute."""


def path(root: str, steps: Sequence[str | int]) -> str:
    """How a path is written."""
    return root + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]" for step in steps
    )


# ---------------------------------------------------------------------------------------------------- canonical values

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def as_text(value: Any, source: str) -> str | None:
    """A canonical attribute: text, or None for what is absent. A list gives its first item, a number its digits."""
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
    """``active``: what is absent means true."""
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
    """What a value is, in words, for messages."""
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
