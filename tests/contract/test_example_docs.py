"""docs/connectors.md shows the code of the example target unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "connectors.md").read_text("utf-8")
STEPS = PAGE[PAGE.index("## A target step by step") : PAGE.index("### 8. The tests")]
SHOWN = [block for block in re.findall(r"```python\n(.*?)```", STEPS, re.DOTALL) if re.match("(async )?def ", block)]
LINES = {
    line.strip()
    for path in (ROOT / "examples" / "target" / "src").rglob("*.py")
    for line in path.read_text("utf-8").splitlines()
}


@pytest.mark.parametrize("block", SHOWN, ids=[re.findall(r"def (\w+)", block)[0] for block in SHOWN])
def test_the_lines_of_the_page_are_in_the_example(block: str) -> None:
    shown = [line.strip() for line in block.splitlines() if line.strip()]
    assert [line for line in shown if line not in LINES] == []


def test_the_page_shows_the_core_of_the_example() -> None:
    assert len(SHOWN) >= 4
