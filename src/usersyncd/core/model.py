"""The admin's settings of one target, as data: rules, guard, leavers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from usersyncd.errors import Place
from usersyncd.plugin import Value


class Rule(Struct, frozen=True):
    """A CEL expression and the place where its text begins (None: it is the connector's own).

    ``turns``: for text with several lines or escapes, the offsets from which it continues at another place.
    """

    text: str
    at: Place | None = None
    turns: tuple[tuple[int, Place], ...] = ()

    def place(self, offset: int) -> Place:
        """The place of one character of the text."""
        begin, place = 0, self.at or Place("the connector's mapping")
        for turn in self.turns:
            if turn[0] <= offset:
                begin, place = turn
        return Place(place.file, place.line, place.column + offset - begin)


class Constant(Struct, frozen=True):
    """A value instead of a rule: ``{value: member}``."""

    value: Value
    at: Place


class Ruleset(Struct, frozen=True):
    """The rules of one target for one kind: which records are in scope, what identifies a record, and its shape.

    ``set`` None: the canonical attributes as they are, keyed by ``id``.
    """

    where: Rule | None = None
    key: str | None = None
    set: Mapping[str, Rule | Constant] | None = None


class Limit(Struct, frozen=True):
    """A guard's limit: ``5%`` of what is delivered, or a plain number of objects."""

    amount: float
    percent: bool

    def __str__(self) -> str:
        return f"{self.amount:g}{'%' if self.percent else ''}"


class Guard(Struct, frozen=True, kw_only=True):
    """The limits that a plan must keep, together with the runs of the ``window`` before it; None: unlimited. Changes to
    fewer than ``at_least`` objects are never held."""

    deletes: Limit | None = Limit(10, True)
    deactivations: Limit | None = Limit(10, True)
    member_removals: Limit | None = Limit(30, True)
    adoptions: Limit | None = Limit(10, True)
    reactivations: Limit | None = Limit(10, True)
    updates: Limit | None = None
    blanked: Limit | None = Limit(30, True)
    emptied: Limit | None = Limit(10, True)
    at_least: int = 10
    window: timedelta = timedelta(days=1)


class Leavers(Struct, frozen=True):
    """What happens to a user who left the directory or the scope: deactivated at once and kept, or deleted
    ``delete_after`` that (zero: deleted at once, never deactivated). ``set``: the attributes that a deactivation writes
    instead of ``active``."""

    delete_after: timedelta | None = None
    set: Mapping[str, Rule | Constant] | None = None

    @property
    def deactivates(self) -> bool:
        """Whether a leaver is kept for a while, or for good."""
        return self.delete_after != timedelta(0)

    @property
    def writes_active(self) -> bool:
        """Whether a deactivation writes ``active``."""
        return self.deactivates and self.set is None


class DriftPolicy(Struct, frozen=True):
    """Which attributes a verification leaves as somebody set them in the target: those in ``keep``; None: all."""

    keep: frozenset[str] | None = frozenset()

    def keeps(self, attribute: str) -> bool:
        """Whether an attribute stays as it is in the target."""
        return self.keep is None or attribute in self.keep


MembershipMode = Literal["flattened", "direct"]

Adopt = Literal["first", "always", "never"]
"""When an object may be adopted without a person's consent: until the first delivery is completely answered, always, or
never."""
