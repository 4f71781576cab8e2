"""Compiles the mapping of one directory and the rules of one target."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec
from msgspec import Struct

from usersyncd.core.model import Constant, Rule, Ruleset
from usersyncd.core.rules.evaluate import CombinedRules
from usersyncd.core.rules.expression import CompiledExpression, Tables, compile_expression, engine
from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.mapping import CanonicalMapping
from usersyncd.core.rules.paths import Change, named
from usersyncd.core.rules.scope import RequiredReads, RuleScope
from usersyncd.core.rules.shaping import KindRules, LeaverRules, RuleDependencies, Rules
from usersyncd.core.rules.trace import TracedRule
from usersyncd.core.rules.tree import NULL, Literal, parts
from usersyncd.errors import ConfigError, Place
from usersyncd.plugin import CANONICAL, Kind, Layout

ENGINE = 2
"""The version of this engine. It increases when the same rules give other shapes: then every record is shaped again."""

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


class RuleErrors(ConfigError):  # noqa: N818 - it holds several errors
    """The rules cannot be used; ``faults`` names every fault with its place."""


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
    zone: tzinfo = UTC,
) -> Rules:
    """Compile the mapping of one directory and the rules of one target.

    ``directory`` is the name that rules read as ``user.directory``, ``mapping`` the connector's, ``attributes`` the
    admin's overrides of it. ``deactivates`` says that the target deactivates leavers by ``active``: then users have it
    even when ``set`` does not. ``leaving`` are the attributes that a leaver gets instead. ``zone`` is the target's time
    zone, in which ``today()`` and dates without a time are read. Raises RuleErrors.
    """
    rulesets = {Kind.USER: users, Kind.GROUP: groups}
    compiler = _Compiler(directory, mapping, attributes, lookups, zone)
    return compiler.rules(rulesets, leaving or {}, deactivates=deactivates)


class _Compiler:
    """Compiles everything before it raises an error, so that the admin sees all faults at once."""

    def __init__(
        self,
        directory: str,
        mapping: Mapping[Kind, Mapping[str, str]],
        attributes: Mapping[Kind, Mapping[str, Rule]],
        lookups: Tables,
        zone: tzinfo,
    ) -> None:
        self._directory, self._lookups, self._zone = directory, lookups, zone
        self._engine = engine(lookups)
        self._canonical = {
            kind: CanonicalMapping(kind, mapping.get(kind, {}), attributes.get(kind, {}), lookups, self._engine)
            for kind in Kind
        }
        self._needs = RequiredReads()
        self._faults = [fault for canonical in self._canonical.values() for fault in canonical.faults]

    def rules(
        self, rulesets: Mapping[Kind, Ruleset], leaving: Mapping[str, Rule | Constant], *, deactivates: bool
    ) -> Rules:
        leaver = self._leaver(leaving) if leaving else None
        drafts = {kind: self._draft(kind, ruleset, deactivates) for kind, ruleset in rulesets.items()}
        needs = self._needs
        if needs.groups:
            needs.add(Kind.GROUP, self._canonical[Kind.GROUP].attributes["displayName"].natives)
        if self._faults:
            raise RuleErrors("the rules cannot be used", faults=self._faults)
        native = {kind: None if names is None else frozenset(names) for kind, names in needs.native.items()}
        return Rules(
            self._fingerprint(rulesets, leaving, deactivates=deactivates),
            RuleDependencies(
                native,
                needs.groups,
                needs.manager,
                needs.manager_attributes,
                bool(drafts[Kind.USER].changes),
                frozenset(needs.group_names),
            ),
            {kind: draft.layout for kind, draft in drafts.items()},
            self._canonical,
            {kind: self._shaper(draft, rulesets[kind]) for kind, draft in drafts.items()},
            leaver,
            self._engine,
            self._zone,
        )

    def _scope(self, kind: Kind) -> RuleScope:
        zone = self._zone if kind is Kind.USER else None
        return RuleScope(str(kind), self._needs, kind, self._canonical[kind].attributes, self._directory, zone)

    def _leaver(self, leaving: Mapping[str, Rule | Constant]) -> LeaverRules:
        scope = self._scope(Kind.USER)
        compiled: dict[str, CompiledExpression] = {}
        for name, rule in leaving.items():
            if isinstance(rule, Rule):
                found = self._compile(rule, scope, f"leavers.set.{name}", "set")
                compiled |= {name: found} if found else {}
        template = {name: rule.value if isinstance(rule, Constant) else None for name, rule in leaving.items()}
        places = {name: rule.at for name, rule in leaving.items()}
        constants = frozenset(name for name, rule in leaving.items() if isinstance(rule, Constant))
        return LeaverRules(template, CombinedRules(self._engine, compiled), constants, places)

    def _draft(self, kind: Kind, ruleset: Ruleset, deactivates: bool) -> _CompiledKind:
        scope = self._scope(kind)
        section = f"{kind}s"
        places: dict[str, Place | None] = {}
        where = None
        if ruleset.where is not None:
            places["where"] = ruleset.where.at
            where = self._compile(ruleset.where, scope, f"{section}.where", "where")
        compiled: dict[str, CompiledExpression] = {}
        template: dict[str, Any] = {}
        for name, rule in (ruleset.set or {}).items():
            places[name], label = rule.at, f"{section}.set.{name}"
            template[name] = rule.value if isinstance(rule, Constant) else None
            if isinstance(rule, Rule):
                found = self._compile(rule, scope, label, _use(kind, name, ruleset))
                compiled |= {name: found} if found else {}
            elif _use(kind, name, ruleset) == "active" and rule.value.__class__ is not bool:
                self._wrong(label, rule.at, f"this is {named(rule.value)}, and must be true or false")
        implied = CANONICAL[kind] if ruleset.set is None else ()
        for name in (*implied, "active") if kind is Kind.USER and deactivates else implied:
            if name not in template:
                template[name], places[name] = None, self._place(kind, name)
                compiled[name] = _attribute(scope, name)
        key = ruleset.key or ("id" if ruleset.set is None else "")
        if key not in template:
            self._no_key(ruleset, tuple(ruleset.set or template), section)
        constants = {name: value for name, value in template.items() if name not in compiled}
        layout = Layout(tuple(template), key, ruleset.set is not None, constants)
        where_changes = dict(where.changes) if where else {}
        changes = where_changes | {name: change for rule in compiled.values() for name, change in rule.changes.items()}
        return _CompiledKind(
            kind, layout, template, compiled, where, places, tuple(where_changes.values()), tuple(changes.values())
        )

    def _no_key(self, ruleset: Ruleset, names: Sequence[str], section: str) -> None:
        where = ruleset.where.at if ruleset.where else None
        at = next((rule.at for rule in (ruleset.set or {}).values()), where)
        missing = "say which attribute identifies a record in the target:"
        message = f"{ruleset.key} is not one of" if ruleset.key else missing
        self._wrong(f"{section}.key", at, f"{message} {', '.join(names)}")

    def _wrong(self, label: str, at: Place | None, message: str) -> None:
        faults = ExpressionFaults(Rule("", at), label)
        faults.add(0, message)
        self._faults += faults.sorted()

    def _place(self, kind: Kind, name: str) -> Place | None:
        attribute = self._canonical[kind].attributes.get(name)
        return attribute.at if attribute else None

    def _compile(self, rule: Rule, scope: RuleScope, label: str, use: str) -> CompiledExpression | None:
        compiled = compile_expression(rule, label, scope, self._lookups, self._engine)
        if isinstance(compiled, CompiledExpression):
            self._needs.group_names |= _compared(compiled)
            kind = compiled.type.split("<")[0]
            if kind == "DYN" or kind in _WANTED[use]:
                return compiled
            given = _STATIC.get(kind, kind.lower())
            self._wrong(label, rule.at, f"this gives {given}, and must give {_WANTED_WORDS[use]}")
        else:
            self._faults += compiled
        return None

    def _shaper(self, draft: _CompiledKind, ruleset: Ruleset) -> KindRules:
        canonical, needs = self._canonical[draft.kind], self._needs
        return KindRules(
            draft.template,
            CombinedRules(self._engine, draft.compiled, draft.where),
            draft.layout.key,
            draft.places,
            draft.kind is Kind.USER and "active" in draft.template,
            canonical.deriving(needs.of_record[draft.kind]),
            canonical.deriving(needs.of_manager) if draft.kind is Kind.USER else None,
            draft.where_changes,
            draft.changes,
            tuple(_traced(draft, ruleset)),
        )

    def _fingerprint(
        self, rulesets: Mapping[Kind, Ruleset], leaving: Mapping[str, Rule | Constant], *, deactivates: bool
    ) -> str:
        """The digest of the rules. Their places in the file do not count, nor do tables that no rule looks up."""
        tables = self._needs.tables.union(*(canonical.tables for canonical in self._canonical.values()))
        content = {
            "engine": ENGINE,
            "mapping": {
                kind: {name: attribute.source for name, attribute in canonical.attributes.items()}
                for kind, canonical in self._canonical.items()
            },
            "rules": {kind: _texts(ruleset) for kind, ruleset in rulesets.items()},
            "lookups": {table: self._lookups[table] for table in tables},
            "deactivates": deactivates,
        }
        if leaving:
            content["leaving"] = _written(leaving)
        if self._needs.zone:
            content["zone"] = str(self._zone)
        if self._needs.directory:
            content["directory"] = self._directory
        return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _attribute(scope: RuleScope, name: str) -> CompiledExpression:
    """The expression of an attribute that no rule changes."""
    read = scope.resolve(scope.root, [name])
    changes = {read.name: read.change} if read and read.change else {}
    return CompiledExpression(read, NULL, NULL, {}, "DYN", changes)


def _compared(compiled: CompiledExpression) -> set[str]:
    """The texts in an expression that reads the names of groups."""
    if not any(read.name.startswith("user.groups") for read in compiled.variables.values()):
        return set()
    return {part.value for part in parts(compiled.tree) if isinstance(part, Literal) and isinstance(part.value, str)}


class _CompiledKind(Struct, frozen=True):
    """The rules of one kind, compiled, before it is known whether anything is wrong."""

    kind: Kind
    layout: Layout
    template: dict[str, Any]
    compiled: dict[str, CompiledExpression]
    where: CompiledExpression | None
    places: dict[str, Place | None]
    where_changes: tuple[Change, ...]
    changes: tuple[Change, ...]


def _traced(draft: _CompiledKind, ruleset: Ruleset) -> Iterator[TracedRule]:
    """The rules one by one, in the order in which they are written."""
    if draft.where is not None and ruleset.where is not None:
        yield TracedRule("where", ruleset.where.text, ruleset.where.at, draft.where)
    for name, value in draft.template.items():
        rule = (ruleset.set or {}).get(name)
        text = rule.text if isinstance(rule, Rule) else None
        yield TracedRule(name, text, draft.places.get(name), draft.compiled.get(name), value)


def _use(kind: Kind, name: str, ruleset: Ruleset) -> str:
    """The use of an attribute, which decides the types that its value may have."""
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
