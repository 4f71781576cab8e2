"""Follows a page of the documentation from top to bottom: writes its files, runs its commands, compares the output.

In a page, a block of a file begins with a comment that names it (``# usersyncd.yaml``). The commands of its ``console``
blocks run in one shell, in their order. ``usersyncd run 2>run.log &`` starts the daemon, which ends with the page. A
page that asks for ``/readyz`` waits by itself. The address of the web service in the page is replaced by a free port of
loopback.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PUBLIC = "https://sync.acme.example"
"""The address of the web service in the pages."""
LISTEN = "127.0.0.1:8470"
RECEIVER = "127.0.0.1:8480"
"""The address of an application in the pages."""
_MARK = "== end of a command"
WAIT_FOR_WEB = """
wait_for_web() { for _ in $(seq 300); do curl -fsS -o /dev/null "$1/readyz" 2>/dev/null && return; sleep 0.1; done; }
"""
END_JOBS = "for job in $(jobs -p); do kill $job; done; wait\n"
_VARYING = (
    (r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "01J00000000000000000000000"),
    (r"\b[0-9a-f]{32}\b", "0" * 32),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "00000000-0000-0000-0000-000000000000"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+\d\d:?\d\d)?", "2026-01-01T00:00:00Z"),
    (r'W/(\\?")[0-9a-f]+\\?"', r"W/\g<1>0\g<1>"),
    (r"\b\d+(\.\d+)? (ms|s|min|h|d) ago", "0 s ago"),
    (r"in \d+\.\d s", "in 0.0 s"),
    (r"\b1[78]\d{8}\b", "1700000000"),
    (r"v1,[A-Za-z0-9+/=]{44}", "v1,0"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "eyJ"),
)
"""What differs in every run: ids, times, versions, signatures."""


class Step(NamedTuple):
    """A command of a page, what the page shows, and what it printed."""

    command: str
    shown: str
    printed: str


def blocks(page: str, language: str) -> list[str]:
    """The blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def files(page: str) -> dict[str, str]:
    """The files that a page shows, by name."""
    found: dict[str, str] = {}
    for _, comment, name, text in re.findall(
        r"^```(\w+)\n(#|//) (\S+\.\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE
    ):
        found.setdefault(name, f"{comment} {name}\n{text}")
    return found


def commands(page: str) -> list[tuple[str, str]]:
    """Each command, and the output that the page shows. A line that ends with a backslash goes on in the next."""
    found = []
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.split("\n")
            last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
            found.append(("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])))
    return found


def followed(page: str, folder: Path, environment: Mapping[str, str], *, seconds: float = 120) -> list[Step]:
    """Follow a page in an empty folder. ``environment``: the variables that its reader has set, such as secrets."""
    web, receiver = (f"127.0.0.1:{free_port()}" for _ in range(2))
    own = {PUBLIC: f"http://{web}", LISTEN: web, RECEIVER: receiver}
    for name, text in files(page).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(replaced(text, own), "utf-8")
    listed = commands(page)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    web_url = None if "/readyz" in page else own[PUBLIC]
    script = WAIT_FOR_WEB + "".join(_run(replaced(command, own), web_url) for command, _ in listed)
    done = subprocess.run(
        ["bash"],
        input=f"{script}\n{END_JOBS}",
        cwd=folder,
        env={**os.environ, "COLUMNS": "120", "PATH": path, **environment},
        capture_output=True, text=True, check=False, timeout=seconds,
    )  # fmt: skip
    printed = replaced(done.stdout, {mine: shown for shown, mine in own.items()}).split(f"{_MARK}\n")
    return [Step(command, shown, output) for (command, shown), output in zip(listed, printed, strict=False)]


def free_port() -> int:
    """A port of loopback where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def replaced(text: str, addresses: Mapping[str, str]) -> str:
    """The text with other addresses."""
    for shown, own in addresses.items():
        text = text.replace(shown, own)
    return text


def waiting(command: str, web: str | None) -> str:
    """The command that waits until what another one starts in the background listens. ``web``: where the daemon does;
    None: the page waits for it."""
    if not command.rstrip().endswith("&"):
        return ""
    if "run" in command.split():
        return f"wait_for_web {web}" if web else ""
    return "sleep 1"


def _run(command: str, web: str | None) -> str:
    return f"{command}\n{waiting(command, web)}\necho; echo '{_MARK}'\n"


def plain(text: str) -> str:
    """The text without what differs in every run."""
    for pattern, constant in _VARYING:
        text = re.sub(pattern, constant, text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


def assert_followed(steps: list[Step], least: int) -> None:
    """Every command, at least so many, printed what the page shows."""
    assert len(steps) >= least
    for step in steps:
        assert plain(step.printed) == plain(step.shown), f"{step.command}\n{step.printed}"
