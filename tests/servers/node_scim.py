"""Service providers on Node.js, whose libraries npm installs: scimmy-routers, and the library of Polis."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from tests.servers.npm import installed
from tests.servers.process import Process, free_port, listens, program
from tests.servers.scim_server import TOKEN

HERE = Path(__file__).parent


def install(name: str, *packages: str, folder: Path) -> Path:
    """The program, beside its libraries."""
    installed(folder, *packages)
    return Path(shutil.copy(HERE / f"{name}.mjs", folder))


# Express 5 computes the query at each access: SCIMMY, which is tested with 4, then ignores startIndex and count.
scimmy = partial(install, "scimmy", "scimmy-routers@1.3.2", "express@4")
polis = partial(install, "polis", "@boxyhq/saml-jackson@26.2.0")


def start(script: Path, folder: Path) -> tuple[Process, int]:
    """The running server, and its port."""
    port = free_port()
    command = [program("node", "nodejs"), str(script), str(port), TOKEN]
    return Process(command, folder / "node.log", lambda: listens(port)), port
