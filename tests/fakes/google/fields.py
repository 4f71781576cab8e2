"""Partial responses: the parameter ``fields`` (developers.google.com, "Performance tips"), such as
``nextPageToken,users(id,name/givenName)``."""

from __future__ import annotations

import re
from typing import Any

Mask = dict[str, "Mask"]
"""The parts to keep of each name; empty: all."""


class FieldError(ValueError):
    """Not a field selection, or a field that the schema does not have; ``args[0]`` is the field."""


def parse(text: str) -> Mask:
    """The mask for a field selection. Raises FieldError."""
    tokens = re.findall(r"[^,()/\s]+|[,()/]", text)
    mask, rest = _several(tokens)
    if rest:
        raise FieldError(rest[0])
    return mask


def _several(tokens: list[str]) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        below, tokens = _one(tokens)
        for name, mine in below.items():
            mask[name] = {**mask.get(name, {}), **mine}
        if not tokens or tokens[0] != ",":
            return mask, tokens
        tokens = tokens[1:]


def _one(tokens: list[str]) -> tuple[Mask, list[str]]:
    if not tokens or tokens[0] in ",()/":
        raise FieldError(tokens[0] if tokens else "")
    name, tokens = tokens[0], tokens[1:]
    if tokens and tokens[0] == "/":
        below, tokens = _one(tokens[1:])
        return {name: below}, tokens
    if tokens and tokens[0] == "(":
        below, tokens = _several(tokens[1:])
        if not tokens or tokens[0] != ")":
            raise FieldError(name)
        return {name: below}, tokens[1:]
    return {name: {}}, tokens


def pick(value: Any, mask: Mask) -> Any:
    """The part of a value that the mask selects."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [pick(each, mask) for each in value]
    if isinstance(value, dict):
        return {name: pick(value[name], below) for name, below in mask.items() if name in value}
    return value
