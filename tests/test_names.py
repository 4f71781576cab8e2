"""A class name means one thing: no two classes of usersyncd share a name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
NOT_YET = frozenset(
    ["Done", "Drift", "Fate", "Holder", "Listing", "Members", "Progress", "Subject", "Target", "Verification"]
)
"""Names that still mean two things. The list only gets shorter."""


def test_no_two_classes_share_a_name() -> None:
    trees = [ast.parse(file.read_text("utf-8")) for file in (ROOT / "src").rglob("*.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} <= NOT_YET
