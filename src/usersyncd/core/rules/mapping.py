"""Converts the native attributes of a directory to canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from difflib import get_close_matches
from typing import Any

from usersyncd.core.model import Rule
from usersyncd.core.rules.cel import CelEnvironment
from usersyncd.core.rules.evaluate import CombinedRules
from usersyncd.core.rules.expression import CompiledExpression, Tables, compile_expression
from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.paths import DERIVED, Attribute, Raw, RuleInput, UnfitError, own, path
from usersyncd.core.rules.program import AttributeReader
from usersyncd.core.rules.scope import RequiredReads, RuleScope
from usersyncd.core.rules.validity import Validity
from usersyncd.errors import Fault, Place
from usersyncd.plugin import CANONICAL, Kind

EXPRESSION = re.compile(r"\braw[.\[]")
"""If the text of a mapping contains this, it is an expression; otherwise it is the name of a native attribute."""


class RuleError(Exception):
    """One record cannot be shaped. ``message`` names the attribute and the reason. ``place``: that of the rule; None:
    the rule is the connector's own mapping."""

    def __init__(self, message: str, place: Place | None) -> None:
        super().__init__(message)
        self.message, self.place = message, place

    @property
    def at(self) -> str | None:
        """The place as text for reports: ``config.yaml:31``."""
        return str(self.place) if self.place else None

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class CanonicalMapping:
    """The canonical attributes of one kind, from the connector's mapping and the admin's overrides.

    The attributes that come from expressions are evaluated first, and stored under keys of their own beside the native
    attributes (:meth:`deriving`). After that, every canonical attribute is the text under one key.
    """

    def __init__(
        self,
        kind: Kind,
        mapping: Mapping[str, str],
        overrides: Mapping[str, Rule],
        tables: Tables,
        evaluator: CelEnvironment,
    ) -> None:
        self.kind = kind
        self.attributes: dict[str, Attribute] = {}
        self.faults: list[Fault] = []
        self.tables: set[str] = set()
        """The lookup tables that the attributes read."""
        self._evaluator = evaluator
        self._derived: dict[str, CompiledExpression] = {}
        self._unknown_names(mapping, overrides)
        for name in CANONICAL[kind]:
            if name != "id":
                self._add(name, overrides.get(name) or Rule(mapping.get(name, name)), tables)
        self._all = self.deriving(self._derived)
        self._single = {name: self.deriving([name]) for name in self._derived}
        self._reads = {name: own(attribute, name) for name, attribute in self.attributes.items()}
        self._reader = AttributeReader(self._reads)

    def _unknown_names(self, mapping: Mapping[str, str], overrides: Mapping[str, Rule]) -> None:
        for name, rule in ({name: Rule(text) for name, text in mapping.items()} | dict(overrides)).items():
            if name not in CANONICAL[self.kind]:
                near = get_close_matches(name, CANONICAL[self.kind], 1, 0.5)
                hint = (
                    f": did you mean {near[0]}?"
                    if near
                    else f": the canonical attributes are {', '.join(CANONICAL[self.kind])}"
                )
                self._wrong(name, rule, f"there is no canonical attribute {name}{hint}")
        if "id" in overrides:
            self._wrong("id", overrides["id"], "id is always the record's own id in its directory: leave it out")

    def _wrong(self, name: str, rule: Rule, message: str) -> None:
        faults = ExpressionFaults(rule, f"attributes.{name}")
        faults.add(0, message)
        self.faults += faults.sorted()

    def _add(self, name: str, rule: Rule, tables: Tables) -> None:
        text = rule.text.strip()
        if not EXPRESSION.search(text):
            self.attributes[name] = Attribute(name, text, text, rule.at, frozenset([text]))
            if not text:
                self._wrong(name, rule, "name a native attribute, or an expression over raw")
            return
        needs = RequiredReads()
        scope = RuleScope("raw", needs, self.kind)
        compiled = compile_expression(rule, f"attributes.{name}", scope, tables, self._evaluator)
        self.tables |= needs.tables
        natives = needs.native[self.kind]
        single = next(iter(natives)) if natives and len(natives) == 1 else ""
        read = compiled.read if isinstance(compiled, CompiledExpression) else None
        if read is not None and read.name == path("raw", [single]):
            self.attributes[name] = Attribute(name, single, single, rule.at, frozenset([single]))
            return
        key, asked = f"{DERIVED}{name}", None if natives is None else frozenset(natives)
        self.attributes[name] = Attribute(name, key, f"`{text}`", rule.at, asked)
        if isinstance(compiled, list):
            self.faults += compiled
        else:
            self._derived[name] = compiled

    def deriving(self, names: Iterable[str]) -> CombinedRules | None:
        """The rules with which :meth:`derive` evaluates these attributes; None if none of them is an expression."""
        rules = {f"{DERIVED}{name}": self._derived[name] for name in sorted(names) if name in self._derived}
        return CombinedRules(self._evaluator, rules) if rules else None

    def derive(self, raw: Raw, deriving: CombinedRules) -> Raw:
        """``raw`` with the attributes that come from expressions. Raises RuleError."""
        derived = dict(raw)
        try:
            deriving.fill(derived, RuleInput("", raw))
        except UnfitError as unfit:
            raise self.error(unfit) from None
        return derived

    def one(self, name: str, raw: Raw) -> Any:
        """One canonical attribute of a record; None when it is absent. Raises RuleError."""
        deriving = self._single.get(name)
        if deriving is not None:
            raw = self.derive(raw, deriving)
        try:
            return self._reads[name].read(RuleInput("", raw))
        except UnfitError as unfit:
            raise self.error(UnfitError(unfit.args[0], name)) from None

    def view(self, id: str, raw: Raw) -> dict[str, Any]:  # noqa: A002
        """The canonical attributes of one record, without the absent ones. Raises RuleError."""
        if self._all is not None:
            raw = self.derive(raw, self._all)
        try:
            values = self._reader.fill({"id": id}, RuleInput(id, raw))
        except UnfitError as unfit:
            raise self.error(unfit) from None
        return {name: values[name] for name in CANONICAL[self.kind] if values[name] is not None}

    def is_active(self, raw: Raw, moment: datetime, zone: tzinfo) -> bool:
        """Whether a user is active at a moment. Raises RuleError."""
        if self._all is not None:
            raw = self.derive(raw, self._all)
        active, start, end = (self.attributes[name] for name in ("active", "validFrom", "validUntil"))
        try:
            return Validity(active, start, end, zone).is_active(raw, moment)
        except UnfitError as unfit:
            raise self.error(UnfitError(unfit.args[0], "active")) from None

    def error(self, unfit: UnfitError) -> RuleError:
        message, name = unfit.args
        name = name.removeprefix(DERIVED)
        return RuleError(f"{name}: {message}", self.attributes[name].at)
