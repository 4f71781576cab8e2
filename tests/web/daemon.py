"""Runs the real daemon with its web service, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from msgspec import Struct

from tests.pages import LISTEN, free_port

COMMAND = Path(sys.executable).parent / "usersyncd"


class RunningDaemon(Struct):
    """A daemon and its address. ``log``: its log so far."""

    process: subprocess.Popen[bytes]
    url: str
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "run.log").read_text("utf-8")

    def kill(self) -> None:
        """End it as a power loss would end the process."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@contextmanager
def daemon(
    folder: Path, config: str, environment: Mapping[str, str], port: int | None = None
) -> Iterator[RunningDaemon]:
    """A daemon that is ready. ``config`` listens at the address of the pages, which is replaced by a free port."""
    port = port or free_port()
    (folder / "usersyncd.yaml").write_text(config.replace(LISTEN, f"127.0.0.1:{port}"), "utf-8")
    with (folder / "run.log").open("ab") as log:
        process = subprocess.Popen([COMMAND, "run"], cwd=folder, env={**os.environ, **environment}, stderr=log)
    running = RunningDaemon(process, f"http://127.0.0.1:{port}", folder)
    try:
        _wait(running)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _wait(running: RunningDaemon) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and running.process.poll() is None:
        try:
            if httpx.get(f"{running.url}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"the daemon is not ready:\n{running.log}")
