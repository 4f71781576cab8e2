"""The names that a rule may read, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from difflib import get_close_matches

from usersyncd.core.rules.moments import day_end, day_of, next_quarter
from usersyncd.core.rules.paths import (
    DERIVED,
    Accessor,
    Attribute,
    PathError,
    Raw,
    RuleInput,
    as_text,
    bounded,
    dig,
    own,
    path,
)
from usersyncd.core.rules.validity import Validity
from usersyncd.plugin import Kind


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
        self.manager_attributes = False
        self.zone = False

    def add(self, kind: Kind, natives: frozenset[str] | None) -> None:
        known = self.native[kind]
        self.native[kind] = None if known is None or natives is None else known | natives


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
    """The names that one sort of rule may read, below ``root``.

    ``needs`` collects what is really read; ``directory`` is the name of the record's directory, ``zone`` the
    target's time zone (None: the rule sees no time). The library's checker
    is given ``maps`` and ``values``; ``resolve`` refuses the maps that are not the root.
    """

    def __init__(
        self,
        root: str,
        needs: RequiredReads,
        kind: Kind = Kind.USER,
        attributes: Mapping[str, Attribute] | None = None,
        directory: str = "",
        zone: tzinfo | None = None,
    ) -> None:
        self.root, self.needs, self.kind, self._directory, self.zone = root, needs, kind, directory, zone
        self.maps, self.values = set(ROOTS), set[str]()
        self._attributes = attributes or {}

    def time(self, function: str) -> Accessor | None:
        """What ``now()`` or ``today()`` reads; None: this sort of rule sees no time."""
        zone = self.zone
        if zone is None:
            return None
        self.needs.zone = True
        if function == "now":
            return Accessor("now()", lambda s: s.now.isoformat(), nullable=False, change=lambda s: next_quarter(s.now))
        return Accessor(
            "today()",
            lambda s: day_of(s.now, zone).isoformat(),
            text=True,
            nullable=False,
            change=lambda s: day_end(day_of(s.now, zone), zone),
        )

    def resolve(self, root: str, steps: Sequence[str | int]) -> Accessor | None:
        """What a path reads; None when its root is not a record. Raises PathError."""
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
        self.needs.manager_attributes |= first != "id"
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
        if name == "active" and self.zone is not None:
            return self._active(full, self.zone, of_manager=of_manager)
        if attribute is None:
            return Accessor(
                full, (lambda s: s.manager) if of_manager else (lambda s: s.id), text=True, nullable=of_manager
            )
        self.needs.add(self.kind, attribute.natives)
        (self.needs.of_manager if of_manager else self.needs.of_record[self.kind]).add(attribute.name)
        if not of_manager:
            return own(attribute, full)
        native, source = attribute.native, attribute.source
        return Accessor(full, lambda s: as_text(s.manager_raw.get(native), source), source=source, text=True)

    def _active(self, full: str, zone: tzinfo, *, of_manager: bool) -> Accessor:
        self.needs.zone = True
        active, start, end = (self._attributes[name] for name in ("active", "validFrom", "validUntil"))
        for attribute in (active, start, end):
            self.needs.add(self.kind, attribute.natives)
            (self.needs.of_manager if of_manager else self.needs.of_record[self.kind]).add(attribute.name)
        validity = Validity(active, start, end, zone)
        if of_manager:
            return Accessor(
                full,
                lambda s: None if s.manager is None else validity.is_active(s.manager_raw, s.now),
                source=active.source,
                change=lambda s: None if s.manager is None else validity.change(s.manager_raw, s.now),
            )
        return Accessor(
            full,
            lambda s: validity.is_active(s.raw, s.now),
            source=active.source,
            nullable=False,
            change=lambda s: validity.change(s.raw, s.now),
        )

    def _raw(self, steps: Sequence[str | int], prefix: str, raw_of: Callable[[RuleInput], Raw]) -> Accessor:
        known = bool(steps) and isinstance(steps[0], str)
        self.needs.add(self.kind, frozenset([str(steps[0])]) if known else None)
        name, steps = path(prefix, steps), tuple(steps)
        if known:
            return Accessor(name, lambda s: bounded(dig(raw_of(s), steps)))
        return Accessor(
            name, lambda s: bounded(dig({key: value for key, value in raw_of(s).items() if key[:1] != DERIVED}, steps))
        )
