"""Programs and libraries of npm, which tests install into a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SECONDS = 150
"""How long an installation may take: Polis takes a minute and a half."""
AUTHORITIES = {"NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt"}
"""Node.js knows authorities of its own only: these are the machine's (Debian)."""


def installed(folder: Path, *packages: str) -> Path:
    """The folder node_modules with these packages (``name@version``). Without npm or its registry the test is
    skipped."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix", str(folder), *packages]
    try:
        done = subprocess.run(
            command, env=AUTHORITIES | os.environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm does not answer for {SECONDS} seconds")
    if done.returncode:
        pytest.skip(f"npm cannot install {', '.join(packages)}: {done.stderr[-300:]}")
    return folder / "node_modules"
