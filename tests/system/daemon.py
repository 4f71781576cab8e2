"""The daemon in a process of its own, which the test stops by its process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.forks import Forked

PROGRAM = Path(sys.executable).with_name("usersyncd")
PATIENCE = 120.0
"""Seconds within which the daemon does anything that a test waits for, even on a busy machine."""


class Daemon:
    """One ``usersyncd run``. Make one with :func:`daemon`."""

    def __init__(
        self,
        config: Path,
        environment: dict[str, str],
        output: Path | None = None,
        *,
        real: bool = False,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self.log = config.parent / f"{time.monotonic_ns()}.log"
        self.log.touch()
        command = [str(PROGRAM), "-c", str(config), "run"]
        variables = {**os.environ, "TZ": "UTC", **environment}
        self.process: Forked | subprocess.Popen[bytes]
        if real:
            with (output or self.log).open("wb") as out:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=variables
                )
        else:
            self.process = Forked(command, output or self.log, variables, prepare=prepare)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log lines. A line that is not complete yet is left out."""
        text = self.log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self, *words: str, level: str | None = None) -> list[dict[str, Any]]:
        """Return the lines that contain all these words."""
        return [
            line
            for line in self.lines()
            if all(word in json.dumps(line, ensure_ascii=False) for word in words) and level in (None, line["level"])
        ]

    def pulls(self, directory: str = "acme", status: str = "succeeded") -> int:
        """Count the pulls of a directory that have ended with this status."""
        return sum(line.get("directory") == directory and line.get("status") == status for line in self.lines())

    def deliveries(self, status: str = "succeeded", target: str = "app") -> int:
        """Count the deliveries to a target that have ended with this status."""
        return sum(line.get("target") == target and line.get("status") == status for line in self.lines())

    def wait(self, what: str, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until a condition holds. The test fails if it never does, or if the daemon ends before."""
        deadline = time.monotonic() + seconds
        while not holds():
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                pytest.fail(f"{what}; exit code: {ended}\n{self.log.read_text()[-6000:]}")
            time.sleep(0.02)

    def wait_for_pull(self, directory: str = "acme", status: str = "succeeded") -> None:
        """Wait until a pull that began after this call has ended with this status."""
        # One may be under way, and have read already: the one after it counts.
        wanted = self.pulls(directory, status) + 2
        self.wait(f"{directory} was not pulled", lambda: self.pulls(directory, status) >= wanted)

    def wait_for_run(self, directory: str = "acme", target: str = "app") -> None:
        """Wait until a directory was pulled and then delivered, both begun after this call."""
        self.wait_for_pull(directory)
        wanted = self.deliveries(target=target) + 2
        self.wait(f"nothing was delivered to {target}", lambda: self.deliveries(target=target) >= wanted)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal, wait for the end, and return the exit code and the seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - began


@contextmanager
def daemon(config: Path, output: Path | None = None, *, real: bool = False, **environment: str) -> Iterator[Daemon]:
    """Start a daemon; it is killed at the end, if it has not ended by then. ``output``: where it writes instead of its
    log; ``real``: it is started from the command line, which takes seconds more."""
    started = Daemon(config, environment, output, real=real)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait(PATIENCE)


class Manager:
    """A socket as systemd's, with the messages that it received."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self._heard: list[dict[str, str]] = []

    def heard(self, *names: str) -> list[dict[str, str]]:
        """Return the messages with all these names, in their order."""
        while True:
            try:
                message = self._socket.recv(8192).decode()
            except BlockingIOError:
                break
            self._heard.append(dict(line.split("=", 1) for line in message.splitlines()))
        return [message for message in self._heard if all(name in message for name in names)]

    def close(self) -> None:
        self._socket.close()
