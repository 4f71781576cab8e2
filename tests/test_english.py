"""Documents, docstrings, comments and messages avoid the words that readers stumble over."""

from __future__ import annotations

import re
import token
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = {
    r"he|him|his": "they, or the noun: the person, the user",
    r"whom": "another sentence: 'users that …', 'the person who …'",
    r"shall": "must, or the present tense",
    r"anew": "again",
    r"mend(?:s|ed|ing)?": "correct, fix, repair",
    r"needs? it not|knows? it not": "does not need it",
    r"(?:come|comes|came|become|becomes|became) of": "result, outcome",
    r"who (?:is|are|was|were) gone": "deleted, or left",
    r"(?<!there )(?:is|are|was|were) no(?! longer| more)": "is not a …",
    r"kindly": "say what is done",
    r"whoever|whosoever": "the noun: the caller, the program that …",
    r"told": "reported, received, passed",
    r"(?:is|are|was|were) gone": "is deleted, has ended, does not exist",
    r"taken? for gone": "counts as deleted",
    r"in vain": "without effect",
    r"nobody's business": "private",
    r"lest|thence|whence|hitherto|heeds?|heeded": "another sentence",
}
"""What stays out, and what to write instead."""
FORBIDDEN = re.compile(rf"\b(?:{'|'.join(f'({word})' for word in WORDS)})\b", re.IGNORECASE)
NAMED_THERE = ("CONTRIBUTING.md", "tests/test_english.py")
"""They name the words."""
DOCUMENTS = ("*.md", "docs/**/*.md", "examples/**/*.md", "systemd/*.md", "*.yaml")
SOURCES = (
    "src/**/*.py",
    "src/**/*.yaml",
    "connectors/**/*.py",
    "examples/**/*.py",
    "benchmarks/**/*.py",
    "tests/**/*.py",
)


def prose(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that people read, with their numbers: without code and outputs."""
    if not FORBIDDEN.search(file.read_text("utf-8").replace("_", " ")):
        return  # Splitting it into tokens would take most of the time.
    if file.suffix == ".py":
        yield from comments_and_texts(file)
        return
    text = file.read_text("utf-8")
    if file.suffix == ".md":
        text = re.sub(r"^ *```.*?^ *```|`[^`\n]*`", blank_out, text, flags=re.DOTALL | re.MULTILINE)
    yield from enumerate(text.splitlines(), 1)


def blank_out(code: re.Match[str]) -> str:
    return "\n" * code[0].count("\n")


def comments_and_texts(file: Path) -> Iterator[tuple[int, str]]:
    """And the names of tests."""
    wanted = {token.STRING, tokenize.COMMENT, getattr(token, "FSTRING_MIDDLE", token.STRING)}
    with file.open("rb") as source:
        for found in tokenize.tokenize(source.readline):
            if found.type in wanted:
                yield from enumerate(found.string.splitlines(), found.start[0])
            elif found.type == token.NAME and found.string.startswith("test_"):
                yield found.start[0], found.string.replace("_", " ")


def faults(file: Path) -> Iterator[str]:
    for number, line in prose(file):
        for match in FORBIDDEN.finditer(line):
            advice = list(WORDS.values())[(match.lastindex or 1) - 1]
            yield f"{file.relative_to(ROOT)}:{number}: {match[0]!r}: {advice}"


FILES = {
    str(file.relative_to(ROOT)): file
    for place in (*DOCUMENTS, *SOURCES)
    for file in sorted(ROOT.glob(place))
    if str(file.relative_to(ROOT)) not in NAMED_THERE
}


def test_the_words_stay_out() -> None:
    found = [fault for file in FILES.values() for fault in faults(file)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "The person whom it names.", ["whom"]),
        ("a.md", "He is no member.\n", ["He", "is no"]),
        ("a.md", "There is no member, and it is no longer one.", []),
        ("a.md", "Write `shall`:\n```\nmend\n```\n", []),
        ("a.py", '"""What became of it."""\nhe = 1  # read anew', ["became of", "anew"]),
        ("a.py", "def test_he_is_gone(he_is: int) -> None: ...", ["he", "is gone"]),
        ("a.py", 'shall = f"{name} will mend it"', ["mend"]),
    ],
)
def test_the_check_finds_words_in_prose_only(tmp_path: Path, name: str, text: str, found: list[str]) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    lines = prose(tmp_path / name)
    assert [match[0] for _, line in lines for match in FORBIDDEN.finditer(line)] == found
