"""Converts the result of an evaluation to a value of a shape, and the library's errors to words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from usersyncd.core.rules.paths import TOO_LARGE, UnfitError, fits, named
from usersyncd.core.rules.rewrite import MAX_SIZE


def presentable(value: Any) -> Any:
    """The result as a value that JSON can represent. Timestamps become ISO 8601 text. Raises UnfitError."""
    budget = [MAX_SIZE]
    return _presentable(value, budget)


def _presentable(value: Any, budget: list[int]) -> Any:
    budget[0] -= len(value) if isinstance(value, str) else 1
    if budget[0] < 0:
        raise UnfitError(f"the result has more than {MAX_SIZE} characters or items")
    match value:
        case None | str() | bool():
            return value
        case int():
            if not fits(value):
                raise UnfitError(TOO_LARGE)
            return value
        case float():
            if not math.isfinite(value):
                raise UnfitError("the result is not a finite number")
            return value
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case list():
            return [_presentable(item, budget) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                raise UnfitError("the result is a map whose keys are not text")
            return {key: _presentable(value[key], budget) for key in sorted(value)}
        case _:
            raise UnfitError(
                f"the result is {named(value)}: give text, a number, true or false, a timestamp, a list or a map"
            )


_TYPES = {
    "string": "text", "int64": "a whole number", "uint64": "a whole number", "double": "a number",
    "bool": "true or false", "list": "a list", "map": "a map", "null_type": "null", "bytes": "bytes", "type": "a type",
    "google.protobuf.Timestamp": "a timestamp", "google.protobuf.Duration": "a duration",
}  # fmt: skip

_REASONS: Sequence[tuple[str, str]] = (
    (r"(_&&_|_\|\|_|!_|<jump_condition>)", "a condition is neither true nor false"),
    (r"@in\b", "the right side of `in` is neither a list nor a map"),
    (r"<iter_range>", "exists, all, map and filter need a list"),
    (r"_\[\??_\]", "only lists and maps have items in [ ]"),
    (r"Key not found", "the map has no such key"),
    (r"SELECT to non-message", "only a map has parts to name after a dot"),
    (r"Index error", "the list is shorter than that"),
    (
        r"Timestamp conversion",
        "the text is not a timestamp, such as 2026-03-31T00:00:00Z",
    ),
    (r"Duration conversion|^Duration", "the text is not a duration, such as 24h, or out of range"),
    (r"Type conversion error from '(\w+)' to '(\w+)'", r"cannot convert \1 to \2"),
    (r"invalid regular expression", "the regular expression is not valid"),
    (r"Iteration budget", "it goes through too many items"),
    (r"duplicate key", "a key stands twice in a map"),
    (r"map key type", "the key of a map is neither text, a number nor true or false"),
    (r"Integer value .* out of range", TOO_LARGE),
    (r"construction from null", "a text is not valid Unicode"),
)


def in_words(message: str) -> str:
    """The reason why an evaluation failed, without the values that the library quotes."""
    message = re.sub(r"^[A-Z_]+: ", "", re.sub(r" \[[A-Z_]+\]$", "", message))
    for pattern, words in _REASONS:
        found = re.search(pattern, message)
        if found:
            return found.expand(words)
    overload = re.fullmatch(r"No matching overloads found : (?:\((\S+)\)\.)?([^\s(]+)(?:\((.*)\))?", message)
    if overload is None:
        return re.sub(r"([\"']).*\1", "…", message)
    receiver, function, arguments = overload.groups()
    types = [_TYPES.get(name, name) for name in (receiver, *(arguments or "").split(", ")) if name]
    operator = re.fullmatch(r"_([^_]+)_|(-)_", function)
    if operator:
        return f"{operator[1] or operator[2]} does not work on {' and '.join(types)}"
    return f"no such function {function}" + (f" for {types[0]}" if types else "") + _with(types[1:])


def _with(types: Sequence[str]) -> str:
    return f" with {' and '.join(types)}" if types else ""
