"""The query options of plain lists that the fake supports: all others are refused, as by Graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

DEFAULT_USER = frozenset({
    "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
    "preferredLanguage", "surname", "userPrincipalName",
})  # fmt: skip
"""The properties of users in a list without $select (learn.microsoft.com/graph/api/user-list)."""

_COMPARISON = re.compile(r"(\w+(?:/\w+)?) (eq|ne) (true|false|null|'(?:[^']|'')*')")
_NARROWED = re.compile(r"(id eq '[^']*') and \((.*)\)")
"""A condition of a client on one object, and the one that its admin wrote."""
_OR = re.compile(r" or (?=(?:[^']*'[^']*')*[^']*$)")
_CALL = re.compile(r"(startswith|endswith)\((\w+),\s*'((?:[^']|'')*)'\)", re.IGNORECASE)


class BadRequest(Exception):
    """The query is refused: ``code`` as Graph names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def where(text: str | None, *, advanced: bool) -> Callable[[Mapping[str, Any]], bool]:
    """A $filter. ``ne`` and ``endswith`` need the advanced query capabilities."""
    if text is None:
        return lambda props: True
    if narrowed := _NARROWED.fullmatch(text):
        first, second = (where(part, advanced=advanced) for part in narrowed.groups())
        return lambda props: first(props) and second(props)
    if len(parts := _OR.split(text)) > 1:
        either = [where(part, advanced=advanced) for part in parts]
        return lambda props: any(test(props) for test in either)
    tests = [_test(part.strip(), advanced) for part in re.split(r"\s+and\s+", text)]
    return lambda props: all(test(props) for test in tests)


def _test(text: str, advanced: bool) -> Callable[[Mapping[str, Any]], bool]:
    if match := _COMPARISON.fullmatch(text):
        name, operator, literal = match.groups()
        wanted = {"true": True, "false": False, "null": None}.get(literal, literal[1:-1].replace("''", "'"))
        if operator == "ne":
            _must_be(advanced)
        return lambda props: (_at(props, name) == wanted) is (operator == "eq")
    if match := _CALL.fullmatch(text):
        call, name, literal = match.groups()
        if call.lower() == "endswith":
            _must_be(advanced)
            return lambda props: str(_at(props, name) or "").lower().endswith(literal.lower())
        return lambda props: str(_at(props, name) or "").lower().startswith(literal.lower())
    raise BadRequest("BadRequest", f"Invalid filter clause: Syntax error at position 1 in '{text}'.")


def _must_be(advanced: bool) -> None:
    if not advanced:
        raise BadRequest("Request_UnsupportedQuery", "Unsupported Query.")


def _at(props: Mapping[str, Any], path: str) -> Any:
    found: Any = props
    for name in path.split("/"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
