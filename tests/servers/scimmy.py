"""scimmy-routers, a service provider on Express, installed by npm."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers.npm import installed
from tests.servers.process import Process, free_port, listens, program
from tests.servers.scim_server import TOKEN

PACKAGES = ("scimmy-routers@1.3.2", "express@4")


def install(folder: Path) -> Path:
    """The program, beside its libraries."""
    installed(folder, *PACKAGES)
    return Path(shutil.copy(Path(__file__).with_suffix(".mjs"), folder))


def start(script: Path, folder: Path) -> tuple[Process, int]:
    """The running server, and its port."""
    port = free_port()
    command = [program("node", "nodejs"), str(script), str(port), TOKEN]
    return Process(command, folder / "scimmy.log", lambda: listens(port)), port
