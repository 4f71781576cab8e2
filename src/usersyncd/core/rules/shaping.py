"""Applies the compiled rules of one target to the records of one directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from usersyncd.core.rules.cel import CelEnvironment
from usersyncd.core.rules.evaluate import CombinedRules
from usersyncd.core.rules.mapping import CanonicalMapping, RuleError
from usersyncd.core.rules.paths import Change, Raw, RuleInput, UnfitError, named
from usersyncd.core.rules.trace import RuleTrace, ShapeTrace, TracedRule, traces
from usersyncd.core.storable_text import REPLACEMENT
from usersyncd.errors import Place
from usersyncd.plugin import Kind, Layout

LONGEST_KEY = 600
"""The largest number of characters in a key: PostgreSQL's indexes take at most 2,700 bytes."""


class RuleDependencies(Struct, frozen=True):
    """What the rules read: ``native``, the attributes of each kind to request from the directory (None: all).

    ``groups`` and ``manager``: shapes depend on those of a user, and with ``manager_attributes`` on more of a manager
    than the id; ``time``: they depend on the moment. ``group_names``: the texts with which rules may compare the names
    of groups.
    """

    native: Mapping[Kind, frozenset[str] | None]
    groups: bool
    manager: bool
    manager_attributes: bool
    time: bool
    group_names: frozenset[str] = frozenset()


class TimedShape(Struct, frozen=True, gc=False):
    """The shape of a user, which may change with time. ``shape`` None: ``where`` excludes the user. ``until``: the
    moment at which the shape may change although the directory stays the same; None: it does not depend on the time."""

    shape: dict[str, Any] | None
    until: datetime | None


class KindRules(Struct, frozen=True):
    """The compiled rules of one kind. ``template`` has every attribute of the layout, constants with their values;
    ``active``: one of them is ``active`` of a user. ``changes`` compute when the shape changes because time passes;
    ``where_changes`` when ``where`` stops excluding a user. ``traced``: the rules one by one."""

    template: dict[str, Any]
    rules: CombinedRules
    key: str
    places: Mapping[str, Place | None]
    active: bool
    own: CombinedRules | None
    managers: CombinedRules | None
    where_changes: tuple[Change, ...]
    changes: tuple[Change, ...]
    traced: tuple[TracedRule, ...]


class LeaverRules(Struct, frozen=True):
    """The compiled rules for leavers. ``template`` has every attribute that they set."""

    template: dict[str, Any]
    rules: CombinedRules
    constants: frozenset[str]
    places: Mapping[str, Place | None]


class Rules:
    """Compiled rules. They keep no state: shaping the same record gives the same shape."""

    def __init__(
        self, fingerprint: str, reads: RuleDependencies, layouts: Mapping[Kind, Layout],
        canonical: Mapping[Kind, CanonicalMapping], shapers: Mapping[Kind, KindRules], leaver: LeaverRules | None,
        environment: CelEnvironment, zone: tzinfo,
    ) -> None:  # fmt: skip
        self.fingerprint = fingerprint
        """The SHA-256 of everything that decides the shapes."""
        self.reads = reads
        self.layouts = layouts
        self._environment, self._zone = environment, zone
        self._canonical = canonical
        self._users, self._groups = shapers[Kind.USER], shapers[Kind.GROUP]
        self._leaver = leaver

    def canonical(
        self,
        kind: Kind,
        id: str,  # noqa: A002 - the contract's word
        raw: Raw,
        now: datetime | None = None,
    ) -> dict[str, Any]:
        """The canonical attributes of one record, without the absent ones. ``manager`` is an id or a handle, as in the
        directory. ``now``: the moment for which ``active`` of a user is computed; without it, dates do not count.
        Raises RuleError."""
        canonical = self._canonical[kind]
        view = canonical.view(id, raw)
        if kind is Kind.USER and now is not None:
            view["active"] = canonical.is_active(raw, now, self._zone)
        return view

    def manager(self, raw: Raw) -> str | None:
        """The id or handle of a user's manager, as the directory has it. Raises RuleError."""
        handle: str | None = self._canonical[Kind.USER].one("manager", raw)
        return handle

    def display_name(self, raw: Raw) -> str | None:
        """The name under which a group stands in ``user.groups``. Raises RuleError."""
        name: str | None = self._canonical[Kind.GROUP].one("displayName", raw)
        return name

    def shape_user(
        self,
        id: str,  # noqa: A002
        raw: Raw,
        groups: Sequence[str] = (),
        manager: tuple[str, Raw] | None = None,
        group_ids: Sequence[str] = (),
        *,
        now: datetime,
    ) -> TimedShape:
        """What the target should hold for a user at the moment ``now`` (in UTC), and until when.

        ``groups`` are display names, ``group_ids`` ids, both sorted; ``manager`` is the manager's id and native
        attributes. Raises RuleError.
        """
        return _timed(self._users, self._user(id, raw, groups, manager, group_ids, now))

    def trace_user(
        self,
        id: str,  # noqa: A002
        raw: Raw,
        groups: Sequence[str] = (),
        manager: tuple[str, Raw] | None = None,
        group_ids: Sequence[str] = (),
        *,
        now: datetime,
    ) -> ShapeTrace:
        """How a user gets the shape that ``shape_user`` returns, rule by rule. An error is part of the trace."""
        rules: tuple[RuleTrace, ...] = ()
        try:
            subject = self._user(id, raw, groups, manager, group_ids, now)
            rules = tuple(traces(self._users.traced, self._environment, subject))
            timed = _timed(self._users, subject)
        except RuleError as error:
            return ShapeTrace(rules, None, error=error.message, place=error.place)
        return ShapeTrace(rules, timed.shape, timed.until)

    def _user(
        self,
        id: str,  # noqa: A002
        raw: Raw,
        groups: Sequence[str],
        manager: tuple[str, Raw] | None,
        group_ids: Sequence[str],
        now: datetime,
    ) -> RuleInput:
        shaper = self._users
        if shaper.own is not None:
            raw = self._canonical[Kind.USER].derive(raw, shaper.own)
        manager_id, manager_raw = manager or (None, {})
        if shaper.managers is not None and manager is not None:
            manager_raw = self._derive_manager(manager_raw, shaper.managers)
        return RuleInput(id, raw, _list(groups), _list(group_ids), manager_id, manager_raw, now)

    @property
    def off(self) -> dict[str, Any]:
        """The constants that a deactivation writes. An object that holds them is without access."""
        leaver = self._leaver
        if leaver is None:
            return {"active": False}
        return {name: leaver.template[name] for name in leaver.constants}

    @property
    def leaver_attributes(self) -> frozenset[str]:
        """The attributes that a deactivation writes."""
        return frozenset({"active"} if self._leaver is None else self._leaver.template)

    def leave(self, id: str, raw: Raw, when: datetime) -> dict[str, Any]:  # noqa: A002
        """The attributes that a deactivation writes for a user who left at the moment ``when``. ``raw``: the native
        attributes at the last pull that had the user. Raises RuleError."""
        leaver = self._leaver
        if leaver is None:
            return {"active": False}
        if self._users.own is not None:
            raw = self._canonical[Kind.USER].derive(raw, self._users.own)
        shape = leaver.template.copy()
        moment = when.astimezone(UTC).replace(microsecond=0)
        try:
            leaver.rules.fill(shape, RuleInput(id, raw, [], [], now=moment))
        except UnfitError as unfit:
            message, name = unfit.args
            raise RuleError(f"{name}: {message}", leaver.places.get(name)) from None
        return shape

    def shape_group(self, id: str, raw: Raw) -> dict[str, Any] | None:  # noqa: A002
        """What the target should hold for a group; None when ``where`` leaves it out. Raises RuleError."""
        shaper = self._groups
        if shaper.own is not None:
            raw = self._canonical[Kind.GROUP].derive(raw, shaper.own)
        return _shape(shaper, RuleInput(id, raw))

    def _derive_manager(self, raw: Raw, managers: CombinedRules) -> Raw:
        try:
            return self._canonical[Kind.USER].derive(raw, managers)
        except RuleError as error:
            raise RuleError(f"the manager's {error.message}", error.place) from None


def _timed(shaper: KindRules, subject: RuleInput) -> TimedShape:
    shape = _shape(shaper, subject)
    changes = shaper.where_changes if shape is None else shaper.changes
    return TimedShape(shape, _next_change(changes, subject))


def _next_change(changes: Sequence[Change], subject: RuleInput) -> datetime | None:
    # Called for every record, and nearly always None: a loop costs half as much as a generator.
    until: datetime | None = None
    for change in changes:
        moment = change(subject)
        if moment is not None and (until is None or moment < until):
            until = moment
    return until


def _list(items: Sequence[str]) -> Sequence[str]:
    return items if items.__class__ is list else list(items)


def _shape(shaper: KindRules, subject: RuleInput) -> dict[str, Any] | None:
    shape = shaper.template.copy()
    try:
        if not shaper.rules.fill(shape, subject):
            return None
    except UnfitError as unfit:
        message, name = unfit.args
        raise RuleError(f"{name}: {message}", shaper.places.get(name)) from None
    if shaper.active and shape["active"].__class__ is not bool:
        reason = f"is {named(shape['active'])}, and must be true or false"
        raise RuleError(f"active: {reason}", shaper.places.get("active"))
    key = shape[shaper.key]
    if (key.__class__ is str and 0 < len(key) <= LONGEST_KEY and REPLACEMENT not in key) or key.__class__ is int:
        return shape
    if key is None or key == "":
        reason = "is empty"
    elif key.__class__ is str:
        broken = "has a character that could not be read (U+FFFD): correct it in the directory"
        reason = broken if REPLACEMENT in key else f"has more than {LONGEST_KEY} characters"
    else:
        reason = f"is {named(key)}, and a key is text or a whole number"
    raise RuleError(f"has no key: {shaper.key} {reason}", shaper.places.get(shaper.key))
