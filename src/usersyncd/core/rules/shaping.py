"""The rules of one target for one directory: compiled once, applied to every record.

What an expression means is written down in docs/rules.md. A rule that only names an attribute, looks it up or gives it
a default is read by a Python function; everything else of a record is one evaluation of CEL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.legible import MENDED
from usersyncd.core.model import Constant, Rule, Ruleset
from usersyncd.core.rules.evaluate import Compiled, Several, Tables, compile_expression, engine
from usersyncd.core.rules.mapping import Canonical, Misfit, RuleError
from usersyncd.core.rules.paths import Needs, Raw, Scope, Subject, UnfitError, named
from usersyncd.core.rules.plain import Fault as Mistake
from usersyncd.core.rules.plain import column
from usersyncd.core.rules.tree import NULL, Literal, parts
from usersyncd.errors import ConfigError, Fault
from usersyncd.plugin import CANONICAL, Kind, Layout

__all__ = ["Reads", "RuleError", "RuleErrors", "Rules", "compile_rules"]

ENGINE = 1
"""Changes when the same rules begin to give other shapes: then every record is shaped again."""
LONGEST_KEY = 600
"""So many characters every state database can look up: PostgreSQL's indexes take no more than 2,700 bytes."""

MOMENT = "now()"
"""In a rule of a leaver: when the person left."""

_WANTED = {
    "where": ("BOOL",),
    "active": ("BOOL",),
    "key": ("STRING", "INT", "UINT"),
    "set": ("STRING", "INT", "UINT", "DOUBLE", "BOOL", "TIMESTAMP", "LIST", "MAP"),
}
_WANTED_WORDS = {
    "where": "true or false", "active": "true or false", "key": "text or a whole number",
    "set": "text, a number, true or false, a timestamp, a list or a map",
}  # fmt: skip
_STATIC = {
    "STRING": "text", "INT": "a whole number", "UINT": "a whole number", "DOUBLE": "a number with a fraction",
    "BOOL": "true or false", "LIST": "a list", "MAP": "a map", "TIMESTAMP": "a timestamp", "DURATION": "a duration",
}  # fmt: skip


class RuleErrors(ConfigError):  # noqa: N818 - many of them
    """The rules cannot be used; ``faults`` names every mistake, with the column inside its expression in the
    message."""


class Reads(Struct, frozen=True):
    """What the rules read: the native attributes of each kind that the directory must be asked for (None: all), and
    whether shapes depend on a user's groups and manager. ``group_names`` are the texts in rules that read names of
    groups: what they may be compared with."""

    native: Mapping[Kind, frozenset[str] | None]
    groups: bool
    manager: bool
    group_names: frozenset[str] = frozenset()


class Shaper(Struct, frozen=True):
    """The compiled rules of one kind. ``template`` has every attribute of the layout, constants with their values;
    ``active``: one of them says who is active."""

    template: dict[str, Any]
    rules: Several
    key: str
    places: Mapping[str, str | None]
    active: bool
    own: Several | None
    managers: Several | None


class Leaver(Struct, frozen=True):
    """The compiled rules for leavers. ``template`` has every attribute that they set; ``moments`` are those that get
    the time."""

    template: dict[str, Any]
    rules: Several
    moments: frozenset[str]
    constants: frozenset[str]
    places: Mapping[str, str]


def compile_rules(
    *,
    directory: str,
    mapping: Mapping[Kind, Mapping[str, str]],
    attributes: Mapping[Kind, Mapping[str, Rule]],
    users: Ruleset,
    groups: Ruleset,
    lookups: Tables,
    deactivates: bool,
    leaving: Mapping[str, Rule | Constant] | None = None,
) -> Rules:
    """Compile the mapping of one directory and the rules of one target.

    ``directory`` is the name that rules read as ``user.directory``, ``mapping`` the connector's, ``attributes`` the
    admin's overrides of it. ``deactivates`` says that the target deactivates leavers by ``active``: then users have it
    even when ``set`` does not. ``leaving`` are the attributes that a leaver gets instead. Raises RuleErrors.
    """
    rulesets = {Kind.USER: users, Kind.GROUP: groups}
    return _Compiler(directory, mapping, attributes, lookups).rules(rulesets, leaving or {}, deactivates=deactivates)


class Rules:
    """Compiled rules. They keep no state: shaping the same record gives the same shape."""

    def __init__(
        self, fingerprint: str, reads: Reads, layouts: Mapping[Kind, Layout], canonical: Mapping[Kind, Canonical],
        shapers: Mapping[Kind, Shaper], leaver: Leaver | None,
    ) -> None:  # fmt: skip
        self.fingerprint = fingerprint
        """sha256 over everything that decides what a shape looks like."""
        self.reads = reads
        self.layouts = layouts
        self._canonical = canonical
        self._users, self._groups = shapers[Kind.USER], shapers[Kind.GROUP]
        self._leaver = leaver

    def canonical(self, kind: Kind, id: str, raw: Raw) -> dict[str, Any]:  # noqa: A002 - the contract's word
        """The canonical view of one record; what is absent is left out, and ``manager`` is as the directory has it: an
        id or a handle. Raises RuleError."""
        return self._canonical[kind].view(id, raw)

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
    ) -> dict[str, Any] | None:
        """What the target shall hold for a user; None when ``where`` leaves the user out.

        ``groups`` are display names, ``group_ids`` ids, both sorted; ``manager`` is the manager's id and native
        attributes. Raises RuleError.
        """
        shaper = self._users
        if shaper.own is not None:
            raw = self._canonical[Kind.USER].derive(raw, shaper.own)
        manager_id, manager_raw = manager or (None, {})
        if shaper.managers is not None and manager is not None:
            manager_raw = self._derive_manager(manager_raw, shaper.managers)
        return _shape(shaper, (id, raw, _list(groups), manager_id, manager_raw, _list(group_ids)))

    @property
    def off(self) -> dict[str, Any]:
        """The constants that a leaver's object holds: where it holds them, its person has no access."""
        leaver = self._leaver
        if leaver is None:
            return {"active": False}
        return {name: leaver.template[name] for name in leaver.constants}

    @property
    def leaver_attributes(self) -> frozenset[str]:
        """The attributes that a deactivation writes."""
        return frozenset({"active"} if self._leaver is None else self._leaver.template)

    def leave(self, id: str, raw: Raw, when: datetime) -> dict[str, Any]:  # noqa: A002
        """What a user's object holds from the moment ``when`` the person left: the attributes that change. ``raw`` are
        the native attributes that the directory told last. Raises RuleError."""
        leaver = self._leaver
        if leaver is None:
            return {"active": False}
        if self._users.own is not None:
            raw = self._canonical[Kind.USER].derive(raw, self._users.own)
        shape = leaver.template | dict.fromkeys(leaver.moments, f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        try:
            leaver.rules.fill(shape, (id, raw, [], None, {}, []))
        except UnfitError as unfit:
            message, name = unfit.args
            raise RuleError(f"{name}: {message}", leaver.places.get(name)) from None
        return shape

    def shape_group(self, id: str, raw: Raw) -> dict[str, Any] | None:  # noqa: A002
        """What the target shall hold for a group; None when ``where`` leaves it out. Raises RuleError."""
        shaper = self._groups
        if shaper.own is not None:
            raw = self._canonical[Kind.GROUP].derive(raw, shaper.own)
        return _shape(shaper, (id, raw, (), None, {}, ()))

    def _derive_manager(self, raw: Raw, managers: Several) -> Raw:
        try:
            return self._canonical[Kind.USER].derive(raw, managers)
        except RuleError as error:
            raise RuleError(f"the manager's {error.message}", error.at) from None


def _list(items: Sequence[str]) -> Sequence[str]:
    return items if items.__class__ is list else list(items)


def _shape(shaper: Shaper, subject: Subject) -> dict[str, Any] | None:
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
    if (key.__class__ is str and 0 < len(key) <= LONGEST_KEY and MENDED not in key) or key.__class__ is int:
        return shape
    if key is None or key == "":
        reason = "is empty"
    elif key.__class__ is str:
        broken = "has a character that could not be read (U+FFFD): correct it in the directory"
        reason = broken if MENDED in key else f"has more than {LONGEST_KEY} characters"
    else:
        reason = f"is {named(key)}, and a key is text or a whole number"
    raise RuleError(f"has no key: {shaper.key} {reason}", shaper.places.get(shaper.key))


class _Compiler:
    """Compiles everything before it complains, so that the admin sees every mistake at once."""

    def __init__(
        self,
        directory: str,
        mapping: Mapping[Kind, Mapping[str, str]],
        attributes: Mapping[Kind, Mapping[str, Rule]],
        lookups: Tables,
    ) -> None:
        self._directory, self._lookups = directory, lookups
        self._engine = engine(lookups)
        self._canonical = {
            kind: Canonical(kind, mapping.get(kind, {}), attributes.get(kind, {}), lookups, self._engine)
            for kind in Kind
        }
        self._needs = Needs()
        self._misfits = [misfit for canonical in self._canonical.values() for misfit in canonical.misfits]

    def rules(
        self, rulesets: Mapping[Kind, Ruleset], leaving: Mapping[str, Rule | Constant], *, deactivates: bool
    ) -> Rules:
        leaver = self._leaver(leaving) if leaving else None
        drafts = {kind: self._draft(kind, ruleset, deactivates) for kind, ruleset in rulesets.items()}
        needs = self._needs
        if needs.groups:
            needs.add(Kind.GROUP, self._canonical[Kind.GROUP].attributes["displayName"].natives)
        if self._misfits:
            raise RuleErrors("the rules cannot be used", faults=[_fault(misfit) for misfit in self._misfits])
        native = {kind: None if names is None else frozenset(names) for kind, names in needs.native.items()}
        return Rules(
            self._fingerprint(rulesets, leaving, deactivates=deactivates),
            Reads(native, needs.groups, needs.manager, frozenset(needs.group_names)),
            {kind: draft.layout for kind, draft in drafts.items()},
            self._canonical,
            {kind: self._shaper(draft) for kind, draft in drafts.items()},
            leaver,
        )

    def _scope(self, kind: Kind) -> Scope:
        return Scope(str(kind), self._needs, kind, self._canonical[kind].attributes, self._directory)

    def _leaver(self, leaving: Mapping[str, Rule | Constant]) -> Leaver:
        scope = self._scope(Kind.USER)
        compiled: dict[str, Compiled] = {}
        moments = frozenset(
            name for name, rule in leaving.items() if isinstance(rule, Rule) and rule.text.strip() == MOMENT
        )
        for name, rule in leaving.items():
            if isinstance(rule, Rule) and name not in moments:
                found = self._compile(rule, scope, f"leavers.set.{name}", "set")
                compiled |= {name: found} if found else {}
        template = {name: rule.value if isinstance(rule, Constant) else None for name, rule in leaving.items()}
        places = {name: rule.at for name, rule in leaving.items()}
        constants = frozenset(name for name, rule in leaving.items() if isinstance(rule, Constant))
        return Leaver(template, Several(self._engine, compiled), moments, constants, places)

    def _draft(self, kind: Kind, ruleset: Ruleset, deactivates: bool) -> _Draft:
        scope = self._scope(kind)
        section = f"{kind}s"
        places: dict[str, str | None] = {}
        where = None
        if ruleset.where is not None:
            places["where"] = ruleset.where.at
            where = self._compile(ruleset.where, scope, f"{section}.where", "where")
        compiled: dict[str, Compiled] = {}
        template: dict[str, Any] = {}
        for name, rule in (ruleset.set or {}).items():
            places[name], label = rule.at, f"{section}.set.{name}"
            template[name] = rule.value if isinstance(rule, Constant) else None
            if isinstance(rule, Rule):
                found = self._compile(rule, scope, label, _use(kind, name, ruleset))
                compiled |= {name: found} if found else {}
            elif _use(kind, name, ruleset) == "active" and rule.value.__class__ is not bool:
                mistake = Mistake(-1, f"this is {named(rule.value)}, and must be true or false")
                self._misfits.append(Misfit(rule.at, label, "", mistake))
        implied = CANONICAL[kind] if ruleset.set is None else ()
        for name in (*implied, "active") if kind is Kind.USER and deactivates else implied:
            if name not in template:
                template[name], places[name] = None, self._place(kind, name)
                compiled[name] = Compiled(scope.resolve(scope.root, [name]), NULL, NULL, {}, "DYN")
        key = ruleset.key or ("id" if ruleset.set is None else "")
        if key not in template:
            self._misfits.append(_no_key(ruleset, tuple(ruleset.set or template), section))
        constants = {name: value for name, value in template.items() if name not in compiled}
        layout = Layout(tuple(template), key, ruleset.set is not None, constants)
        return _Draft(kind, layout, template, compiled, where, places)

    def _place(self, kind: Kind, name: str) -> str | None:
        attribute = self._canonical[kind].attributes.get(name)
        return attribute.at if attribute else None

    def _compile(self, rule: Rule, scope: Scope, label: str, use: str) -> Compiled | None:
        compiled = compile_expression(rule.text, scope, self._lookups, self._engine)
        if isinstance(compiled, Compiled):
            self._needs.group_names |= _compared(compiled)
            kind = compiled.type.split("<")[0]
            if kind == "DYN" or kind in _WANTED[use]:
                return compiled
            given = _STATIC.get(kind, kind.lower())
            compiled = [Mistake(-1, f"this gives {given}, and must give {_WANTED_WORDS[use]}")]
        self._misfits += [Misfit(rule.at, label, rule.text, mistake) for mistake in compiled]
        return None

    def _shaper(self, draft: _Draft) -> Shaper:
        canonical, needs = self._canonical[draft.kind], self._needs
        return Shaper(
            draft.template,
            Several(self._engine, draft.compiled, draft.where),
            draft.layout.key,
            draft.places,
            draft.kind is Kind.USER and "active" in draft.template,
            canonical.deriving(needs.of_record[draft.kind]),
            canonical.deriving(needs.of_manager) if draft.kind is Kind.USER else None,
        )

    def _fingerprint(
        self, rulesets: Mapping[Kind, Ruleset], leaving: Mapping[str, Rule | Constant], *, deactivates: bool
    ) -> str:
        """Places do not count, nor do tables that no rule looks up."""
        content = {
            "engine": ENGINE,
            "mapping": {
                kind: {name: attribute.source for name, attribute in canonical.attributes.items()}
                for kind, canonical in self._canonical.items()
            },
            "rules": {kind: _texts(ruleset) for kind, ruleset in rulesets.items()},
            "lookups": {table: self._lookups[table] for table in self._needs.tables},
            "deactivates": deactivates,
        }
        if leaving:
            content["leaving"] = _written(leaving)
        if self._needs.directory:
            content["directory"] = self._directory
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _compared(compiled: Compiled) -> set[str]:
    """The texts in an expression that reads the names of groups."""
    if not any(read.name.startswith("user.groups") for read in compiled.variables.values()):
        return set()
    return {part.value for part in parts(compiled.tree) if isinstance(part, Literal) and isinstance(part.value, str)}


class _Draft(Struct, frozen=True):
    """The rules of one kind, compiled, before it is known whether anything is wrong."""

    kind: Kind
    layout: Layout
    template: dict[str, Any]
    compiled: dict[str, Compiled]
    where: Compiled | None
    places: dict[str, str | None]


def _use(kind: Kind, name: str, ruleset: Ruleset) -> str:
    """For what the value of an attribute is used."""
    if name == ruleset.key:
        return "key"
    return "active" if kind is Kind.USER and name == "active" else "set"


def _texts(ruleset: Ruleset) -> Any:
    rules = ruleset.set
    return {
        "where": ruleset.where and ruleset.where.text,
        "key": ruleset.key,
        "set": rules and _written(rules),
    }


def _written(rules: Mapping[str, Rule | Constant]) -> Any:
    return {name: rule.text if isinstance(rule, Rule) else {"value": rule.value} for name, rule in rules.items()}


def _no_key(ruleset: Ruleset, names: Sequence[str], section: str) -> Misfit:
    at = next((rule.at for rule in (ruleset.set or {}).values()), ruleset.where and ruleset.where.at)
    message = (
        f"{ruleset.key} is not one of" if ruleset.key else "say which attribute identifies a record in the target:"
    )
    return Misfit(at or None, f"{section}.key", "", Mistake(-1, f"{message} {', '.join(names)}"))


def _fault(misfit: Misfit) -> Fault:
    file, _, line = (misfit.at or "").rpartition(":")
    if not line.isdigit():
        file, line = misfit.at or "the connector's mapping", "1"
    message = f"{misfit.fault.message}{column(misfit.text, misfit.fault.offset)}"
    return Fault(file, int(line), 1, misfit.path, message)
