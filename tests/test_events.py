"""Every line of the log has a name, and docs/logs.md lists these names and the codes of errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from usersyncd import errors
from usersyncd.logs import UNNAMED

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "connectors")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}
NAME = re.compile(r"[a-z_]+\.[a-z_]+")


def calls() -> Iterator[tuple[str, ast.Call]]:
    """All calls, each with its place."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def is_log_call(call: ast.Call) -> bool:
    """``log.info(…)``, ``self._log.bind(…).warning(…)``, ``structlog.get_logger().error(…)``"""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS):
        return False
    return re.search(r"\b_?log(ger)?\b|get_logger\(\)", ast.unparse(call.func.value)) is not None


def event_name(call: ast.Call) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == "event_name"), None)


def listed(heading: str) -> list[str]:
    """The first column of the table under a heading."""
    text = (ROOT / "docs" / "logs.md").read_text("utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z_.]+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("log.info('x')", True),
        ("self._log.bind(target='app').warning('x')", True),
        ("structlog.get_logger().exception('x')", True),
        ("self._context.log.info('x')", True),
        ("parser.error('x')", False),
        ("math.log(2)", False),
    ],
)
def test_the_check_finds_log_calls(line: str, is_one: bool) -> None:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    assert is_log_call(call) == is_one


def test_every_log_call_names_its_event() -> None:
    unnamed = [place for place, call in calls() if is_log_call(call) and event_name(call) is None]
    assert not unnamed, "these log calls have no event_name"


def test_the_page_lists_the_event_names() -> None:
    given = [value for _, call in calls() if (value := event_name(call)) is not None]
    parts = [part for value in given for part in ast.walk(value)]
    names = {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    assert all(map(NAME.fullmatch, names))
    assert listed("Events") == sorted(names | {UNNAMED})


def kinds(base: type[errors.UsersyncError]) -> Iterator[type[errors.UsersyncError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def special_codes() -> Iterator[str]:
    """The codes that are given to a report: ``report.error, report.code = …, "too_long"``."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".code)"):
                last = node.value.elts[-1] if isinstance(node.value, ast.Tuple) else node.value
                if isinstance(last, ast.Constant) and isinstance(last.value, str):
                    yield last.value


def test_the_page_lists_the_error_codes() -> None:
    own = [kind for kind in kinds(errors.UsersyncError) if kind.__module__ == errors.__name__]
    codes = {kind.code for kind in own}
    assert len(codes) == len(own), "two kinds of errors have the same code"
    special = {*special_codes()}
    assert "too_long" in special
    assert listed("Error codes") == sorted(codes | special)
