"""What a path such as ``user.manager.email`` reads, as a Python function.

A path needs no evaluator. Everything that the evaluator is given comes through these functions too, so that an
attribute means the same in a plain rule and in an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec import Struct

from usersyncd.errors import Place
from usersyncd.plugin import Kind

Raw = dict[str, Any]


class RuleInput(Struct, frozen=True, gc=False):
    """What the rules read of one record: ``id`` and native attributes ``raw``; of a user also the names and the ids of
    the groups, and the manager's id and native attributes."""

    id: str
    raw: Raw
    groups: Sequence[str] = ()
    group_ids: Sequence[str] = ()
    manager: str | None = None
    manager_raw: Raw = {}


class UnfitError(Exception):
    """A value cannot be used. The message says why in words, and does not show the value."""


class PathError(Exception):
    """A path means nothing here. The message says what to write instead; ``step`` is the part of the path that is
    wrong, 0 for the first one behind the root."""

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


class Accessor(Struct, frozen=True):
    """One thing to read of a subject; null where the directory holds nothing.

    ``native`` is set when it is nothing but the text under that key of the record's own attributes: the fast way;
    messages call it ``source``. ``text`` says that it is text or null, ``nullable`` that it may be null.
    """

    name: str
    read: Callable[[RuleInput], Any]
    native: str | None = None
    source: str = ""
    text: bool = False
    nullable: bool = True


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


class RequiredReads:
    """What the rules read, collected while they are compiled."""

    def __init__(self) -> None:
        self.native: dict[Kind, set[str] | None] = {Kind.USER: set(), Kind.GROUP: set()}
        self.of_record: dict[Kind, set[str]] = {Kind.USER: set(), Kind.GROUP: set()}
        self.of_manager: set[str] = set()
        self.tables: set[str] = set()
        self.groups = False
        self.group_names: set[str] = set()
        self.directory = False
        self.manager = False

    def add(self, kind: Kind, natives: frozenset[str] | None) -> None:
        known = self.native[kind]
        self.native[kind] = None if known is None or natives is None else known | natives


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


# -------------------------------------------------------------------------------------------------------------- scopes

GROUPS: Mapping[str, tuple[Callable[[RuleInput], Sequence[str]], str]] = {
    "groups": (lambda s: s.groups, "name"), "group_ids": (lambda s: s.group_ids, "id"),
}  # fmt: skip
"""The lists of a user's groups: how to read them, and what their items are."""


def _own_raw(subject: RuleInput) -> Raw:
    return subject.raw


def _manager_raw(subject: RuleInput) -> Raw:
    return subject.manager_raw


ROOTS = ("user", "group", "raw")


class RuleScope:
    """The names that one sort of rule sees, below ``root``.

    ``needs`` collects what is really read; ``directory`` is the name of the record's directory. The library's checker
    is given ``maps`` and ``values``; ``resolve`` refuses the maps that are not the root.
    """

    def __init__(
        self,
        root: str,
        needs: RequiredReads,
        kind: Kind = Kind.USER,
        attributes: Mapping[str, Attribute] | None = None,
        directory: str = "",
    ) -> None:
        self.root, self.needs, self.kind, self._directory = root, needs, kind, directory
        self.maps, self.values = set(ROOTS), set[str]()
        self._attributes = attributes or {}

    def resolve(self, root: str, steps: Sequence[str | int]) -> Accessor | None:
        """What a path reads; None when its root is no record. Raises PathError."""
        if root not in ROOTS:
            return None
        if root != self.root:
            raise PathError(self._foreign(root))
        if self.root == "raw":
            return self._raw(steps, "raw", _own_raw)
        if not steps:
            raise PathError(f"{root} alone has no value: name an attribute, such as {root}.displayName")
        return self._of_record(steps)

    def _foreign(self, root: str) -> str:
        if self.root == "user" and root == "group":
            return "a user rule sees no group: the user's groups are in user.group_ids and, by name, in user.groups"
        if self.root == "group" and root == "user":
            return "a group rule sees no user: it has group.displayName and the other attributes of the group"
        if self.root == "raw":
            return f"a mapping sees the directory's own attributes only: write raw.… instead of {root}.…"
        return f"write {self.root}.raw.…"

    def _of_record(self, steps: Sequence[str | int]) -> Accessor:
        first, rest = steps[0], steps[1:]
        if first == "raw":
            return self._raw(rest, f"{self.root}.raw", _own_raw)
        if self.kind is Kind.USER and first in GROUPS:
            self.needs.groups = True
            groups_of, what = GROUPS[str(first)]
            if rest and not (len(rest) == 1 and isinstance(rest[0], int)):
                raise PathError(f'user.{first} is a list of {what}s: write "{what}" in user.{first}', 1)
            return Accessor(
                path("user", steps), lambda s: dig(groups_of(s), rest), nullable=bool(rest), text=bool(rest)
            )
        if self.kind is Kind.USER and first == "manager":
            return self._of_manager(rest)
        if first == "directory":
            return self._name(rest)
        return self._canonical(first, rest, self.root)

    def _name(self, rest: Sequence[str | int]) -> Accessor:
        if rest:
            raise PathError(f"{self.root}.directory is text and has no parts", 1)
        self.needs.directory, name = True, self._directory
        return Accessor(f"{self.root}.directory", lambda _: name, nullable=False, text=True)

    def _of_manager(self, steps: Sequence[str | int]) -> Accessor:
        self.needs.manager = True
        self.needs.add(Kind.USER, self._attributes["manager"].natives)
        if not steps:
            return Accessor("user.manager", lambda s: s.manager, text=True)
        first, rest = steps[0], steps[1:]
        if first == "raw":
            return self._raw(rest, "user.manager.raw", _manager_raw)
        if first == "manager" or first in GROUPS:
            raise PathError(
                f"user.manager.{first} is not followed: rules see one level, the manager's own attributes", 1
            )
        return self._canonical(first, rest, "user.manager", of_manager=True)

    def _canonical(
        self, name: str | int, rest: Sequence[str | int], prefix: str, *, of_manager: bool = False
    ) -> Accessor:
        attribute, step = self._attributes.get(str(name)), int(of_manager)
        if attribute is None and name != "id":
            names = ["id", "raw", *self._attributes]
            names += () if of_manager else ("directory",) if self.kind is Kind.GROUP else ("directory", *GROUPS)
            near = get_close_matches(str(name), names, 1, 0.5)
            missing = f": the directory's own attribute is {prefix}.raw.{name}"
            hint = f": did you mean {prefix}.{near[0]}?" if near else missing
            raise PathError(f"there is no {prefix}.{name}{hint}", step)
        if rest:
            what = "true or false" if name == "active" else "text"
            raise PathError(f"{prefix}.{name} is {what} and has no parts", step + 1)
        full = f"{prefix}.{name}"
        if attribute is None:
            return Accessor(
                full, (lambda s: s.manager) if of_manager else (lambda s: s.id), text=True, nullable=of_manager
            )
        self.needs.add(self.kind, attribute.natives)
        (self.needs.of_manager if of_manager else self.needs.of_record[self.kind]).add(attribute.name)
        if not of_manager:
            return own(attribute, full)
        native, source = attribute.native, attribute.source
        if name == "active":
            return Accessor(full, lambda s: None if s.manager is None else as_active(s.manager_raw.get(native), source))
        return Accessor(full, lambda s: as_text(s.manager_raw.get(native), source), text=True)

    def _raw(self, steps: Sequence[str | int], prefix: str, raw_of: Callable[[RuleInput], Raw]) -> Accessor:
        known = bool(steps) and isinstance(steps[0], str)
        self.needs.add(self.kind, frozenset([str(steps[0])]) if known else None)
        name, steps = path(prefix, steps), tuple(steps)
        if known:
            return Accessor(name, lambda s: dig(raw_of(s), steps))
        return Accessor(
            name, lambda s: dig({key: value for key, value in raw_of(s).items() if key[:1] != DERIVED}, steps)
        )


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
