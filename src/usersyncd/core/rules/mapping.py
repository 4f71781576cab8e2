"""From a directory's native attributes to the canonical ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct

from usersyncd.core.model import Rule
from usersyncd.core.rules.cel import Engine
from usersyncd.core.rules.evaluate import AttributeReader, CombinedRules
from usersyncd.core.rules.expression import CompiledExpression, Tables, compile_expression
from usersyncd.core.rules.paths import (
    DERIVED,
    Attribute,
    Raw,
    RequiredReads,
    RuleInput,
    RuleScope,
    UnfitError,
    own,
    path,
)
from usersyncd.core.rules.plain import Fault
from usersyncd.plugin import CANONICAL, Kind

EXPRESSION = re.compile(r"\braw[.\[]")
"""What makes the text of a mapping an expression instead of the name of a native attribute."""


class RuleError(Exception):
    """One record cannot be shaped: ``message`` names the attribute and says why in words, ``at`` is the rule's place
    (``config.yaml:31``; None: the connector's own mapping)."""

    def __init__(self, message: str, at: str | None) -> None:
        super().__init__(message)
        self.message, self.at = message, at

    def __str__(self) -> str:
        return f"{self.at}: {self.message}" if self.at else self.message


class Misfit(Struct, frozen=True):
    """A mistake found while compiling: ``path`` says in which rule, ``fault`` what and where in its text."""

    at: str | None
    path: str
    text: str
    fault: Fault


class CanonicalMapping:
    """The canonical attributes of one kind: what the connector's mapping says, and the admin's overrides.

    An attribute that comes from an expression is evaluated first and put beside the native ones, under a key of its own
    (:meth:`deriving`); from then on every canonical attribute is text under one key.
    """

    def __init__(
        self, kind: Kind, mapping: Mapping[str, str], overrides: Mapping[str, Rule], tables: Tables, evaluator: Engine
    ) -> None:
        self.kind = kind
        self.attributes: dict[str, Attribute] = {}
        self.misfits: list[Misfit] = []
        self._evaluator = evaluator
        self._derived: dict[str, CompiledExpression] = {}
        self._unknown_names(mapping, overrides)
        for name in CANONICAL[kind]:
            if name != "id":
                self._add(name, overrides.get(name) or Rule(mapping.get(name, name), ""), tables)
        self._all = self.deriving(self._derived)
        self._single = {name: self.deriving([name]) for name in self._derived}
        self._reads = {name: own(attribute, name) for name, attribute in self.attributes.items()}
        self._reader = AttributeReader(self._reads)

    def _unknown_names(self, mapping: Mapping[str, str], overrides: Mapping[str, Rule]) -> None:
        places = dict.fromkeys(mapping) | {name: rule.at for name, rule in overrides.items()}
        for name, at in places.items():
            if name not in CANONICAL[self.kind]:
                near = get_close_matches(name, CANONICAL[self.kind], 1, 0.5)
                hint = (
                    f": did you mean {near[0]}?"
                    if near
                    else f": the canonical attributes are {', '.join(CANONICAL[self.kind])}"
                )
                self._wrong(name, at, "", f"there is no canonical attribute {name}{hint}")
        if "id" in overrides:
            self._wrong("id", overrides["id"].at, "", "id is always the record's own id in its directory: leave it out")

    def _wrong(self, name: str, at: str | None, text: str, message: str, offset: int = 0) -> None:
        self.misfits.append(Misfit(at, f"attributes.{name}", text, Fault(offset, message)))

    def _add(self, name: str, rule: Rule, tables: Tables) -> None:
        text, at = rule.text.strip(), rule.at or None
        if not EXPRESSION.search(text):
            self.attributes[name] = Attribute(name, text, text, at, frozenset([text]))
            if not text:
                self._wrong(name, at, text, "name a native attribute, or an expression over raw")
            return
        needs = RequiredReads()
        compiled = compile_expression(text, RuleScope("raw", needs, self.kind), tables, self._evaluator)
        natives = needs.native[self.kind]
        single = next(iter(natives)) if natives and len(natives) == 1 else ""
        if (
            isinstance(compiled, CompiledExpression)
            and compiled.read is not None
            and compiled.read.name == path("raw", [single])
        ):
            self.attributes[name] = Attribute(name, single, single, at, frozenset([single]))
            return
        key = f"{DERIVED}{name}"
        self.attributes[name] = Attribute(name, key, f"`{text}`", at, None if natives is None else frozenset(natives))
        if isinstance(compiled, list):
            for fault in compiled:
                self._wrong(name, at, text, fault.message, fault.offset)
        else:
            self._derived[name] = compiled

    def deriving(self, names: Iterable[str]) -> CombinedRules | None:
        """What evaluates these attributes for :meth:`derive`; None when none of them comes from an expression."""
        rules = {f"{DERIVED}{name}": self._derived[name] for name in sorted(names) if name in self._derived}
        return CombinedRules(self._evaluator, rules) if rules else None

    def derive(self, raw: Raw, deriving: CombinedRules) -> Raw:
        """``raw`` and the attributes that expressions give. Raises RuleError."""
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
        """The canonical view of one record; what is absent is left out. Raises RuleError."""
        if self._all is not None:
            raw = self.derive(raw, self._all)
        try:
            values = self._reader.fill({"id": id}, RuleInput(id, raw))
        except UnfitError as unfit:
            raise self.error(unfit) from None
        return {name: values[name] for name in CANONICAL[self.kind] if values[name] is not None}

    def error(self, unfit: UnfitError) -> RuleError:
        message, name = unfit.args
        name = name.removeprefix(DERIVED)
        return RuleError(f"{name}: {message}", self.attributes[name].at)
