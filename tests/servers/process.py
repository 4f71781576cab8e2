"""What all servers of the tests share: find the program or skip, start it, wait until it answers, stop it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRED = bool(os.environ.get("USERSYNCD_REQUIRE_SERVERS"))
PATIENCE = 120
"""Seconds within which a server answers, on a machine that is busy with other things too."""
_keepers: list[socket.socket] = []
"""They keep the ports that were given away: bound, and not listening."""
PLACES = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/postgresql/15/bin"]
)


def program(name: str, package: str) -> str:
    """The path of a server's program. Missing: the test is skipped, naming the package; with USERSYNCD_REQUIRE_SERVERS
    it fails."""
    found = shutil.which(name, path=PLACES)
    if found is None:
        missing(f"{name} is not installed (Debian package {package})")
    return found


def missing(reason: str) -> NoReturn:
    """Skip the test because something it needs is not here; with USERSYNCD_REQUIRE_SERVERS fail it."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port of loopback that nobody else gets while this process lives: a server that sets SO_REUSEADDR may bind it.
    Until one does, connections to it are refused."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    _keepers.append(keeper)
    port: int = keeper.getsockname()[1]
    return port


def unprivileged() -> dict[str, object]:
    """Arguments for subprocess that leave root: some servers refuse to run as root. Empty when we are not root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def give(folder: Path) -> None:
    """Let the unprivileged user own a folder, and walk to it."""
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)


class Process:
    """A server started by a test, stopped by its process id."""

    def __init__(self, command: Sequence[str], log: Path, answers: Callable[[], bool], **popen: object) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **popen)  # type: ignore[call-overload]
        deadline = time.monotonic() + PATIENCE
        while not answers():
            if self.popen.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        return int(self.popen.pid)

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
