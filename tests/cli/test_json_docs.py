"""docs/json.md is correct: the commands print its examples."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.cli.company import EXAMPLES
from tests.cli.running import Usersyncd

PAGE = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
VARIES = {
    "run",
    "started",
    "finished",
    "seconds",
    "last_run",
    "last_success",
    "last_delivery",
    "next_run",
    "due",
    "next_due",
    "pulls",
    "read_at",
    "since",
}
"""Values that differ in every run: only their types are compared."""


def block(language: str, heading: str = "") -> str:
    """Return the first code block of a language under a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2] if heading else PAGE
    found = re.search(rf"```{language}\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    assert found is not None
    return found[1]


def comparable(value: Any, name: str = "") -> Any:
    if name in VARIES:
        return type(value).__name__
    if isinstance(value, dict):
        return {name: comparable(inner, name) for name, inner in value.items()}
    return [comparable(inner) for inner in value] if isinstance(value, list) else value


def test_the_commands_print_the_examples_of_the_page(usersyncd: Usersyncd, tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "acme"
    folder.mkdir(parents=True)
    for file in EXAMPLES.glob("*.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    (tmp_path / "usersyncd.yaml").write_text(block("yaml"))
    assert usersyncd("sync").code == 0
    subprocess.run(["sh", "-ec", block("sh")], cwd=tmp_path, check=True)

    def same(*arguments: str, heading: str, code: int = 0) -> Any:
        ran = usersyncd(*arguments, "--json")
        printed, said = json.loads(ran.out), json.loads(block("json", heading))
        assert ran.code == code
        assert comparable(printed) == comparable(said), heading
        return printed

    same("plan", heading="usersyncd plan --json")
    same("sync", heading="usersyncd sync --json", code=1)
    same("status", heading="usersyncd status --json")
    (run,) = same("history", "--limit", "1", heading="usersyncd history --json")
    same("show", run["pulls"][0], heading="usersyncd show RUN --json")
