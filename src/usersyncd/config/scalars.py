"""The value of a YAML scalar: text, a decimal number, true, false or nothing. A scalar that YAML 1.1 and 1.2 read
differently is refused.

YAML 1.1 (https://yaml.org/type/) turns ``no`` into false, ``0123`` into 83 and ``12:30:45`` into 45045. YAML 1.2 does
not, and people expect neither. Messages about numbers never repeat the value, because it may be a secret.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_RESOLVER: Any = yaml.resolver.Resolver()
_PREFIX = "tag:yaml.org,2002:"

_NOTHING = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OTHER_BOOLEANS = {"y", "n", "yes", "no", "on", "off"}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]+")
_ODD_NUMBERS = (
    (re.compile(r"[-+]?0[0-9_]+(\.[0-9_]*)?"), "a number with a leading zero is read as octal"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "digits with colons are read as a number of seconds"),
    (re.compile(r"[-+]?[0-9.][0-9_.]*_[0-9_.]*"), "digits with underscores are read as a number"),
    (re.compile(r"\+[0-9][0-9.]*"), "the plus sign of a number is lost"),
    (re.compile(r"[-+]?[0-9]+"), "so many digits are not kept as they are"),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.?[0-9]*)([eE][-+]?[0-9]+)?"), "readers of YAML disagree about this number"),
    (re.compile(r"[-+]?0[xob][0-9A-Fa-f_]+"), "readers of YAML disagree about this number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)"), "this is read as infinity, or as not a number"),
)  # fmt: skip


def scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """The value of a scalar node. Raises ValueError, with a message for the admin, if the value is ambiguous."""
    text: str = node.value
    if _explicit(node):
        if node.tag == _PREFIX + "str":
            return _sound(text)
        raise ValueError("tags (words that begin with !) have no meaning here: quote the value if it is text")
    if node.style:
        return _sound(text)
    if text in _NOTHING:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text.lower() in _OTHER_BOOLEANS:
        raise ValueError(
            f'{text} is read as {_truth(text)} by YAML 1.1: write true or false, or "{text}" with quotes if it is text'
        )
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    for pattern, why in _ODD_NUMBERS:
        if pattern.fullmatch(text):
            raise ValueError(f"{why}: put it in quotes if it is text, or write a plain decimal number")
    return _sound(text)


def _truth(word: str) -> str:
    return "true" if word.lower() in {"y", "yes", "on"} else "false"


def _explicit(node: yaml.ScalarNode) -> bool:
    """Whether the file has a tag that gives the scalar another type than it has without the tag."""
    implicit = (not node.style, bool(node.style))
    return bool(node.tag != _RESOLVER.resolve(yaml.ScalarNode, node.value, implicit))


def _sound(text: str) -> str:
    """The text, if it can be stored. An escape such as \\ud800 is half a character, and cannot."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the escape is only half of a character: write the character itself")
    return text
