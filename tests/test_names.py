"""A class name means one thing: no two classes of usersyncd, or of one connector, share a name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def doubles(folder: Path) -> set[str]:
    trees = [ast.parse(file.read_text("utf-8")) for file in folder.rglob("*.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return {name for name, count in names.items() if count > 1}


def test_no_two_classes_share_a_name() -> None:
    assert not doubles(ROOT / "src")


def test_no_two_classes_of_a_connector_share_a_name() -> None:
    found = {folder.name: doubles(folder) for folder in (ROOT / "connectors").iterdir() if folder.is_dir()}
    assert not {connector: names for connector, names in found.items() if names}
