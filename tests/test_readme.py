"""README is correct: its configuration and its commands run here in their order, and print what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("msal", reason="the extra entra is not installed")

from tests.fakes.graph import SECRET, Graph, company

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SHOWN = "/srv/usersyncd"
"""The folder of the example in README."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    """Each command and the output that README shows for it."""
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def without_durations(text: str) -> str:
    """Return the text without durations, which differ in every run."""
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text).rstrip()


def actual(folder: Path, graph: Graph) -> list[tuple[str, str, str]]:
    """Run the commands in one shell, with a fake Graph: (command, what README shows, what it prints)."""
    marker = "== end of a command"
    script = "".join(f"{command}\nprevious=$?; echo '{marker}'; (exit $previous)\n" for command, _ in commands())
    environment = {
        **os.environ,
        "ENTRA_SECRET": SECRET,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash"], input=script, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    shown = done.stdout.replace(str(folder), SHOWN).replace(graph.url, "https://graph.microsoft.com")
    printed = shown.split(f"{marker}\n")
    return [(*pair, output) for pair, output in zip(commands(), printed, strict=False)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def configure(folder: Path, graph: Graph) -> None:
    """Write README's two configurations; the second one reads the fake Graph."""
    files, cloud = blocks("yaml")
    (folder / "usersyncd.yaml").write_text(files, "utf-8")
    endpoints = f"      endpoints: {{login: '{graph.url}', graph: '{graph.url}'}}\n"
    (folder / "entra.yaml").write_text(cloud.replace("    options:\n", f"    options:\n{endpoints}", 1), "utf-8")


def test_every_command_prints_what_readme_shows(folder: Path) -> None:
    with Graph(company()) as graph:
        configure(folder, graph)
        ran = actual(folder, graph)
    assert len(ran) > 5
    assert [(command, without_durations(output)) for command, _, output in ran] == [
        (c, without_durations(shown)) for c, shown, _ in ran
    ]
