"""What was probably meant, where an expression is written as in another language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from msgspec import Struct

from usersyncd.core.rules.faults import ExpressionFaults
from usersyncd.core.rules.scope import RuleScope
from usersyncd.plugin import CANONICAL

FUNCTIONS = (
    "charAt", "contains", "default", "double", "duration", "endsWith", "exists", "exists_one", "filter", "format",
    "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMinutes", "getMonth",
    "getSeconds", "indexOf", "join", "lastIndexOf", "lookup", "lowerAscii", "matches", "replace", "reverse", "size",
    "split", "startsWith", "string", "substring", "timestamp", "trim", "upperAscii",
)  # fmt: skip
"""Functions whose names are worth suggesting for a misspelt one."""

_ELSEWHERE = {
    "lower": "text.lowerAscii()", "tolower": "text.lowerAscii()", "lowercase": "text.lowerAscii()",
    "tolowercase": "text.lowerAscii()", "upper": "text.upperAscii()", "toupper": "text.upperAscii()",
    "uppercase": "text.upperAscii()", "touppercase": "text.upperAscii()", "strip": "text.trim()",
    "len": "size(value)", "length": "size(value)", "coalesce": "default(value, other)",
    "ifnull": "default(value, other)", "nvl": "default(value, other)", "concat": "text + text", "not": "!(condition)",
}  # fmt: skip
"""Functions of other languages, in lower case, and what does the same here."""

_CONSTANTS = {"none": "null", "nil": "null", "undefined": "null", "null": "null", "true": "true", "false": "false"}

_OPERATORS = {
    "=": "==", "===": "==", "is": "==", "<>": "!=", "!==": "!=", "is not": "!=", "=~": 'text.matches("pattern")',
    "like": 'text.matches("pattern")', "and": "&&", "or": "||", "not": "!", "not in": "!(item in list)", "in": "in",
    "if": "condition ? value : other", "??": "default(value, other)",
}  # fmt: skip
"""Operators of other languages, in lower case, and what does the same here."""

_TOKENS = re.compile(
    r"""
    (?P<own> \"{3}.*?\"{3} | '{3}.*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | //[^\n]*
           | ==(?!=) | !=(?!=) | <= | >= | &&(?!&) | \|\|(?!\|) )
  | (?P<foreign> === | !== | =~ | <> | = | &+ | \|+ | \?\? | [“”„‘’]
           | (?<![.\w]) (?: (?i:and|or|not\s+in|not|is\s+not|is|like|if) | IN ) (?!\w) )
    """,
    re.VERBOSE | re.DOTALL,
)


class _ForeignOperator(Struct, frozen=True):
    """An operator of another language: where it stands, and where the next thing behind it does."""

    start: int
    next: int
    sign: str


def explain(problems: Sequence[tuple[int, str]], scope: RuleScope, faults: ExpressionFaults) -> None:
    """Note what the library found wrong with an expression, as offsets and messages, and what was probably meant."""
    foreign = list(_foreign_operators(faults.text))
    if any(one.start <= offset <= one.next for one in foreign for offset, _ in problems):
        # The library's other messages are consequences of these.
        for one in foreign:
            faults.add(one.start, f"CEL has no `{one.sign}`: did you mean `{_operator(one.sign)}`?")
        return
    for offset, message in problems:
        faults.add(*_in_words(faults.text, offset, message, scope))


def _foreign_operators(text: str) -> Iterator[_ForeignOperator]:
    for found in _TOKENS.finditer(text):
        if sign := found["foreign"]:
            following = text[found.end() :]
            behind = found.end() + len(following) - len(following.lstrip())
            yield _ForeignOperator(found.start(), behind, sign)


def _operator(sign: str) -> str:
    if sign[0] in "&|":
        return sign[0] * 2
    if sign in "“”„‘’":
        return '"'
    return _OPERATORS[" ".join(sign.lower().split())]


def _in_words(text: str, offset: int, message: str, scope: RuleScope) -> tuple[int, str]:
    unknown = re.fullmatch(r"undeclared reference to '(\w+)'", message)
    if unknown is None:
        return offset, message
    word = unknown[1]
    if text[offset : offset + 1] == "(":
        return text.rfind(word, 0, offset), f"there is no function `{word}`: {_function(word)}"
    return offset, f"there is no `{word}` here{_name(word, text, scope)}"


def _function(word: str) -> str:
    near = get_close_matches(word, FUNCTIONS, 1, 0.7)
    meant = _ELSEWHERE.get(word.lower()) or (near[0] if near else None)
    return f"did you mean `{meant}`?" if meant else "docs/rules.md lists those that there are"


def _name(word: str, text: str, scope: RuleScope) -> str:
    if constant := _CONSTANTS.get(word.lower()):
        return f": did you mean `{constant}`?"
    if not scope.root:
        return ""
    canonical = {name.lower(): name for name in CANONICAL[scope.kind]} if scope.root != "raw" else {}
    if near := get_close_matches(word.lower(), canonical, 1, 0.8):
        return f": did you mean `{scope.root}.{canonical[near[0]]}`?"
    own = f"raw.{word}" if scope.root == "raw" else f"{scope.root}.raw.{word}"
    if text.strip() == word:
        return f": did you mean the attribute `{own}`, or the constant `{{value: {word}}}`?"
    return f': did you mean the text `"{word}"`, or the attribute `{own}`?'
