"""CONTRIBUTING.md is correct, and decisions and changelog have the required form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PHONY = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def found(pattern: str) -> list[str]:
    """The distinct matches on the page, at least one."""
    matches = list(dict.fromkeys(re.findall(pattern, PAGE)))
    assert matches, f"the page has lost what matches {pattern}"
    return matches


@pytest.mark.parametrize("path", found(r"`((?:src|tests|docs|examples|connectors|requirements)(?:/[\w./]+)?)`"))
def test_the_paths_exist(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("target", found(r"\bmake ([a-z-]+)`"))
def test_the_make_targets_exist(target: str) -> None:
    assert PHONY is not None
    assert target in PHONY[1].split()


@pytest.mark.parametrize("arguments", found(r"(?m)^\.venv/bin/python -m pytest (.*)$"))
def test_the_tests_to_run_exist(arguments: str) -> None:
    path, *option = arguments.split()
    assert (ROOT / path).exists()
    assert not option or any(option[1] in file.read_text("utf-8") for file in (ROOT / path).rglob("test_*.py"))


@pytest.mark.parametrize(
    ("names", "path"), re.findall(r"((?:`\w+(?:\(\))?`(?:,| and| or)?\s+)+)(?:in|from)\s+`([\w/]+\.py)`", PAGE)
)
def test_the_names_are_in_the_file(names: str, path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert [name for name in re.findall(r"`(\w+)", names) if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("package", found(r"`(usersyncd\.\w+)`"))
def test_the_entry_points_and_modules_exist(package: str) -> None:
    module = ROOT / "src" / package.replace(".", "/")
    assert (
        module.is_dir() or module.with_suffix(".py").exists() or package in (ROOT / "pyproject.toml").read_text("utf-8")
    )


def test_the_example_of_a_test_name_exists() -> None:
    (name,) = found(r"`(test_a_\w+)`")
    assert any(f"def {name}(" in file.read_text("utf-8") for file in (ROOT / "tests").rglob("test_*.py"))


def test_the_example_of_a_docstring_exists() -> None:
    (example,) = found(r"(?s)```python\n(.*?)\n *```")
    shown = [line.strip() for line in example.splitlines()]
    files = [file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py")]
    assert any("\n".join(shown) in "\n".join(map(str.strip, text.splitlines())) for text in files)


DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


@pytest.mark.parametrize("record", DECISIONS, ids=[record.stem for record in DECISIONS])
def test_a_decision_is_a_short_record(record: Path) -> None:
    lines = record.read_text("utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 50


def test_no_two_decisions_have_one_number() -> None:
    numbers = [record.stem[:4] for record in DECISIONS]
    assert len(set(numbers)) == len(numbers)


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert [one for one in releases[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one)] == []
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds
