"""Suggests what to write where an expression uses words or operators of another language."""

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
    "getSeconds", "indexOf", "join", "lastIndexOf", "lookup", "lowerAscii", "matches", "now", "replace", "reverse",
    "size", "split", "startsWith", "string", "substring", "timestamp", "today", "trim", "upperAscii",
)  # fmt: skip
"""Functions whose names are worth suggesting for a misspelt one."""

_ELSEWHERE = {
    "lower": "text.lowerAscii()", "tolower": "text.lowerAscii()", "lowercase": "text.lowerAscii()",
    "tolowercase": "text.lowerAscii()", "upper": "text.upperAscii()", "toupper": "text.upperAscii()",
    "uppercase": "text.upperAscii()", "touppercase": "text.upperAscii()", "strip": "text.trim()",
    "len": "size(value)", "length": "size(value)", "coalesce": "default(value, other)",
    "ifnull": "default(value, other)", "nvl": "default(value, other)", "concat": "text + text", "not": "!(condition)",
    "isnull": "value == null", "isempty": "value == null", "empty": "value == null", "isnotnull": "value != null",
    "exists": "value != null", "date": "timestamp(text)", "getdate": "today()", "current_date": "today()",
    "curdate": "today()", "sysdate": "now()", "getutcdate": "now()", "current_timestamp": "now()", "in": "item in list",
    "todate": "timestamp(text)", "substr": "text.substring(start, end)", "left": "text.substring(0, end)",
    "iif": "condition ? value : other", "if": "condition ? value : other", "regex": 'text.matches("pattern")',
}  # fmt: skip
"""Functions of other languages, in lower case, and the equivalent in CEL."""

_CONSTANTS = {
    "none": "null", "nil": "null", "undefined": "null", "null": "null", "true": "true", "false": "false",
    "now": "now()", "today": "today()",
}  # fmt: skip
"""Constants of other languages, in lower case, and the equivalent in CEL."""

_OPERATORS = {
    "=": "==", "===": "==", ":=": "==", "is": "==", "<>": "!=", "!==": "!=", "is not": "!=", "=>": ">=", "=<": "<=",
    "is null": "== null", "is not null": "!= null", "=~": 'text.matches("pattern")', "~": 'text.matches("pattern")',
    "like": 'text.matches("pattern")', "matches": 'text.matches("pattern")', "contains": 'text.contains("part")',
    "startswith": 'text.startsWith("part")', "endswith": 'text.endsWith("part")', "and": "&&", "or": "||", "not": "!",
    "not in": "!(item in list)", "in": "in", "if": "condition ? value : other", "then": "condition ? value : other",
    "else": "condition ? value : other", "??": "default(value, other)",
}  # fmt: skip
"""Operators of other languages, in lower case, and the equivalent in CEL."""

_QUOTES = "“”„‘’´`"
_TOKENS = re.compile(
    rf"""
    (?P<own> \"{{3}}.*?\"{{3}} | '{{3}}.*?'{{3}} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | //[^\n]*
           | ==(?![=~]) | !=(?!=) | <=(?!=) | >= | &&(?!&) | \|\|(?!\|) )
  | (?P<foreign> === | !== | =~ | <> | := | => | =< | = | ~ | &+ | \|+ | \?\? | [{_QUOTES}]
           | (?<![.\w]) (?: (?i:and|or|not\s+in|not|is\s+not\s+null|is\s+not|is\s+null|is|like|if|then|else) | IN
                           | (?i:matches|contains|startsWith|endsWith)(?!\s*\() ) (?!\w) )
    """,
    re.VERBOSE | re.DOTALL,
)
_SYNTAX: Sequence[tuple[str, str]] = (
    (r"token recognition error at: '[\"'].*\\",
     "a backslash begins an escape in quotes: write r before them, as in r'x'"),
    (r"token recognition error at: '[\"']", "a quote is not closed"),
    (r"token recognition error at: '(?P<found>.+?) ?'", "`{found}` means nothing here: text stands in quotes"),
    (r"missing '(?P<found>.)' at", "a {found} is missing"),
    (r"extraneous input '(?P<found>[)\]}}])'", "there is one {found} too many"),
    (r"(mismatched|extraneous) input '(?P<found>.+?)'( expecting|$)",
     "`{found}` cannot stand here: an operator is missing before it, or quotes around text"),
    (r"reserved identifier: (?P<found>.+)", "{found} is a reserved word of CEL"),
)  # fmt: skip
"""The library's messages about syntax, and ours instead."""

_NO_TEMPLATE = "an expression stands alone, without {{ }} or ${ } around it"
_CONFUSING = frozenset([_NO_TEMPLATE, *(words for _, words in _SYNTAX[:2])])
"""Faults after which the library misreads the rest of the text, so that its other messages are of no use."""


class ForeignOperator(Struct, frozen=True):
    """An operator of another language: its offset, and the offset of the next word after it."""

    start: int
    next: int
    sign: str


def explain(problems: Sequence[tuple[int, str]], scope: RuleScope, faults: ExpressionFaults) -> None:
    """Add the library's ``problems`` (offsets and messages) to ``faults``, each with a suggestion what to write."""
    foreign = list(foreign_operators(faults.text))
    if any(one.start <= offset <= one.next for one in foreign for offset, _ in problems):
        # The library's other messages are consequences of these.
        for one in foreign:
            faults.add(one.start, _no_operator(one.sign))
        return
    for offset, message in problems:
        where, words = _in_words(faults.text, offset, message, scope)
        faults.add(where, words)
        if words in _CONFUSING:
            break


def foreign_operators(text: str) -> Iterator[ForeignOperator]:
    """The operators of other languages in an expression, from left to right."""
    for found in _TOKENS.finditer(text):
        if sign := found["foreign"]:
            following = text[found.end() :]
            behind = found.end() + len(following) - len(following.lstrip())
            yield ForeignOperator(found.start(), behind, sign)


def _no_operator(sign: str) -> str:
    meant = operator(sign)
    if meant.lower().startswith(f"text.{sign.lower()}("):
        return f"`{sign}` is a function: write `{meant}`"
    return f"CEL has no `{sign}`: did you mean `{meant}`?"


def operator(sign: str) -> str:
    """The CEL operator for an operator of another language."""
    if sign[0] in "&|":
        return sign[0] * 2
    if sign in _QUOTES:
        return '"'
    return _OPERATORS[" ".join(sign.lower().split())]


def _in_words(text: str, offset: int, message: str, scope: RuleScope) -> tuple[int, str]:
    unknown = re.fullmatch(r"undeclared reference to '(\w+)'", message)
    if unknown is None:
        return offset, _syntax(text, offset, message)
    word = unknown[1]
    if text[offset : offset + 1] == "(":
        return text.rfind(word, 0, offset), f"there is no function `{word}`: {_function(word)}"
    return offset, f"there is no `{word}` here{_name(word, text, scope)}"


def _syntax(text: str, offset: int, message: str) -> str:
    if not message.startswith(("Syntax error", "reserved")) or "it ends too early" in message:
        return message.split(" expecting ")[0]
    if re.fullmatch(r"[\w@.,\s-]+", text):
        return f"this is not an expression: for the text, write {_in_yaml(text.strip())}"
    if re.search(r"\bin\s*\([^()]*$", text[:offset]):
        return "a list stands in [ ]: item in [first, second]"
    if re.match(r"\s*(\{\{|\$\{|\{%)", text):
        return _NO_TEMPLATE
    for pattern, words in _SYNTAX:
        if found := re.search(pattern, message, re.DOTALL):
            return words.format_map(found.groupdict())
    return message.split(" expecting ")[0]


def _in_yaml(text: str) -> str:
    """The two ways to write a text as a rule in YAML."""
    return f"`'\"{text}\"'` (YAML takes the outer quotes away) or `{{value: {text}}}`"


def _function(word: str) -> str:
    near = get_close_matches(word, FUNCTIONS, 1, 0.7)
    meant = _ELSEWHERE.get(word.lower()) or (near[0] if near else None)
    return f"did you mean `{meant}`?" if meant else "docs/rules.md lists all functions"


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
        return f": did you mean the attribute `{own}`? For the text, write {_in_yaml(word)}"
    return f': did you mean the text `"{word}"`, or the attribute `{own}`?'
