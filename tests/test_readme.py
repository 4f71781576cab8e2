"""README is correct: its configuration and its commands run here in their order, and print what it shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("msal", reason="the extra entra is not installed")

from tests.fakes.graph import SECRET, Graph, company
from tests.pages import END_JOBS, LISTEN, RECEIVER, commands, free_port, replaced, waiting

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LOCAL = (LISTEN, RECEIVER)
"""The addresses of the example of a directory that pushes."""
SHOWN = "/srv/usersyncd"
"""The folder of the example in README."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def without_durations(text: str) -> str:
    """Return the text without durations, which differ in every run."""
    return re.sub(r"in \d+\.\d s", "in 0.0 s", text).rstrip()


def actual(folder: Path, graph: Graph) -> list[tuple[str, str, str]]:
    """Run the commands in one shell, with a fake Graph: (command, what README shows, what it prints)."""
    marker = "== end of a command"
    ports = {shown: f"127.0.0.1:{free_port()}" for shown in LOCAL}
    (folder / "push.yaml").write_text(replaced((folder / "push.yaml").read_text("utf-8"), ports), "utf-8")
    script = "".join(
        f"{replaced(command, ports)}\nprevious=$?; {waiting(command, None) or ':'}; echo '{marker}'; (exit $previous)\n"
        for command, _ in commands(README)
    )
    environment = {
        **os.environ,
        "ENTRA_SECRET": SECRET,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash"], input=f"{script}\n{END_JOBS}", cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    shown = done.stdout.replace(str(folder), SHOWN).replace(graph.url, "https://graph.microsoft.com")
    printed = shown.split(f"{marker}\n")
    return [(*pair, output) for pair, output in zip(commands(README), printed, strict=False)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def configure(folder: Path, graph: Graph) -> None:
    """Write README's configurations; the second one reads the fake Graph."""
    files, cloud, push = blocks("yaml")
    (folder / "push.yaml").write_text(push, "utf-8")
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
