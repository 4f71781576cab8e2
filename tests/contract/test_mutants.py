"""The suites of the contract find faults: each mutant fails the test that it names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = Path(__file__).with_name("mutants.py")
FAILS = "fails"


def expected() -> dict[str, str]:
    """Which test is to find the fault, by the suite's name; a suite that names none has that of its base."""
    found: dict[str, str] = {}
    for node in ast.parse(MUTANTS.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            assigned = [line for line in node.body if isinstance(line, ast.Assign)]
            named = [ast.literal_eval(line.value) for line in assigned if ast.unparse(line.targets[0]) == FAILS]
            found[node.name] = named[0] if named else found[ast.unparse(node.bases[0])]
    return found


@pytest.fixture(scope="module")
def failed() -> set[tuple[str, str]]:
    """The tests that failed, with their suites. Only those are run that are to fail."""
    paths = [ROOT, *(ROOT / "examples" / name / "src" for name in ("plugin", "target"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=no"]
    command += [f"{MUTANTS}::{suite}::{test}" for suite, test in expected().items()]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, f"{done.stdout}\n{done.stderr}"
    return set(re.findall(r"^FAILED \S+::(\w+)::(\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(("suite", "test"), expected().items())
def test_a_suite_finds_the_fault(failed: set[tuple[str, str]], suite: str, test: str) -> None:
    assert (suite, test) in failed
