"""Evaluates one tree over the values that it reads of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usersyncd.core.rules.cel import CelEnvironment, plain
from usersyncd.core.rules.paths import Accessor, RuleInput, UnfitError, as_text
from usersyncd.core.rules.results import in_words
from usersyncd.core.rules.tree import Node


class AttributeReader:
    """Reads attributes of a record into a dict. Text of the record itself is read without a function call."""

    def __init__(self, reads: Mapping[str, Accessor]) -> None:
        self._texts = [(name, read.native, read.source) for name, read in reads.items() if read.native is not None]
        self._others = [(name, read.read) for name, read in reads.items() if read.native is None]

    def fill(self, values: dict[str, Any], subject: RuleInput) -> dict[str, Any]:
        """Set the values by name, and return them. Raises UnfitError with the name as its second argument."""
        get = subject.raw.get
        name = ""
        try:
            for name, native, source in self._texts:
                value = get(native)
                if value.__class__ is str:
                    values[name] = value or None
                else:
                    values[name] = None if value is None else as_text(value, source)
            for name, read in self._others:
                values[name] = read(subject)
        except UnfitError as unfit:
            raise UnfitError(unfit.args[0], name) from None
        return values


class Program:
    """One tree, and the values that it reads, by name."""

    def __init__(self, evaluator: CelEnvironment, tree: Node, variables: Mapping[str, Accessor]) -> None:
        self._reader = AttributeReader(variables)
        self._evaluate = evaluator.expression(tree).eval

    def value(self, subject: RuleInput) -> Any:
        """The value. Raises UnfitError when there is none."""
        try:
            result = self._evaluate(data=self._reader.fill({}, subject))
            value = plain(result)
        except RuntimeError as error:
            raise UnfitError(in_words(str(error))) from None
        # The library may return the text of an error instead of raising it.
        if value.__class__ is str and result.type().name() == "ERROR":
            raise UnfitError(in_words(value))
        return value

    def list(self, subject: RuleInput) -> Sequence[Any] | None:
        """The values of a list expression; None when something in it failed."""
        try:
            values = plain(self._evaluate(data=self._reader.fill({}, subject)))
        except (RuntimeError, UnfitError):
            return None
        return values if values.__class__ is list else None
