"""Parses a text into YAML's node tree, or finds the first place that is not valid YAML."""

from __future__ import annotations

import re
from typing import Any

import yaml
from msgspec import Struct
from yaml.reader import Reader

from usersyncd.config.excerpt import split_lines

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEPTH = 100
"""Maximum depth of nested lists and mappings. The parser recurses, and a configuration needs about eight."""

_WORDS = (
    (
        "mapping values are not allowed",
        "no key can stand here: check the indentation, and quote text that contains “: ”",
    ),
    (
        "found character",
        "no value begins like this: indent with spaces, not tabs, and quote text that begins with @, ` or %",
    ),
    (
        "found undefined alias",
        "nothing was marked with & and this name: quote the value if it is text that begins with *",
    ),
    ("found duplicate anchor", "this anchor name is used twice"),
    ("but found another document", "one file holds one document: remove the line ---"),
    ("found unexpected end of stream", "the file ends inside a quoted text: a closing quote is missing"),
    ("found unexpected document indicator", "the document ends inside a quoted text: a closing quote is missing"),
    (
        "found unknown escape character",
        "in double quotes a backslash begins an escape, and this one is unknown: use single quotes",
    ),
    ("did not find expected ',' or ']'", "a list is not closed: a comma or ] is missing"),
    ("did not find expected ',' or '}'", "a mapping is not closed: a comma or } is missing"),
    (
        "did not find expected key",
        "this is not indented like the lines around it, or a key or closing bracket is missing",
    ),
    ("did not find expected node content", "a list or a mapping is not closed: a ] or } is missing"),
    ("did not find expected '-' indicator", "this is not indented like the list around it"),
    ("could not find expected ':'", "a key needs a colon and a space after it: “key: value”"),
    (
        "did not find expected <document start>",
        "this is not indented like the lines before it, or the document ended there",
    ),
)


_QUOTED_VALUE = re.compile(r"""(?:[:{,]\s|-\s)\s*("[^"]*"|'[^']*')\s+$""")
"""The text of a line up to the place where YAML finds more text after a value in quotes."""
_EXPRESSION_IN_QUOTES = (
    "a value that begins with a quote ends with the next one: put an expression as a whole into single quotes, as in "
    "where: '\"admins\" in user.groups'"
)


class Broken(Struct, frozen=True):
    """The text is not YAML: ``line`` and ``column`` count from 1."""

    line: int
    column: int
    message: str


def compose(text: str) -> yaml.Node | Broken | None:
    """The root node; None for a text without content."""
    if odd := Reader.NON_PRINTABLE.search(text):
        line, column = text.count("\n", 0, odd.start()) + 1, odd.start() - text.rfind("\n", 0, odd.start())
        return Broken(line, column, f"the control character U+{ord(odd.group()):04X} is not allowed: remove it")
    try:
        if deep := _too_deep(text):
            return deep
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        lines = split_lines(text)
        # If something is missing at the end of the file, the line is the one after the last.
        if line <= len(lines) and _QUOTED_VALUE.search(lines[line - 1][: column - 1]):
            return Broken(line, column, _EXPRESSION_IN_QUOTES)
        return Broken(line, column, _words(error.problem or error.context or ""))
    return node


def _too_deep(text: str) -> Broken | None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH and event.start_mark:
                return Broken(
                    event.start_mark.line + 1,
                    event.start_mark.column + 1,
                    f"more than {DEPTH} lists and mappings are nested: check the indentation",
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _words(problem: str) -> str:
    return next((words for start, words in _WORDS if problem.startswith(start)), f"this is not valid YAML ({problem})")
