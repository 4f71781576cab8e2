"""What the daemon shows at a terminal (a pseudo-terminal), and what happens when the terminal closes."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.daemon import PATIENCE, PROGRAM
from tests.system.example import company, configure, edit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")

LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes standard input the controlling terminal of its session, as a login does. Closing it sends SIGHUP."""


class Terminal:
    """A daemon at a pseudo-terminal."""

    def __init__(self, config: Path) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOGIN, PROGRAM, "-c", config, "run"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "40", "NO_COLOR": "1"},
        )
        os.close(theirs)
        self._seen = b""

    def text(self) -> str:
        """Return what the daemon has printed, without cursor movements."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                self._seen += os.read(self._ours, 65536)
            except OSError:  # the other end is closed
                break
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._seen.decode("utf-8", "replace"))

    def wait(self, what: str, holds: Callable[[str], object]) -> str:
        deadline = time.monotonic() + PATIENCE
        while not holds(text := self.text()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{what}\n{text[-4000:]}")
            time.sleep(0.02)
        return text

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def hang_up(self) -> None:
        os.close(self._ours)
        self._ours = -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        if self._ours >= 0:
            os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    company(tmp_path)
    started = Terminal(configure(tmp_path, {"acme": "1s"}))
    yield started
    started.close()


def test_the_terminal_shows_each_change_by_name_and_counts_quiet_runs(terminal: Terminal, tmp_path: Path) -> None:
    text = terminal.wait("it did not run", lambda text: "memberships added" in text)
    assert re.search(r"acme +csv +1 s +app \(sql\)", text)
    assert re.search(r"\d\d:\d\d:\d\d  acme  read 249 users, 20 groups, 303 memberships\r\n", text)
    assert re.search(r"\d\d:\d\d:\d\d  app  acme: 249 users created, 20 groups created", text)
    terminal.wait(
        "it is not quiet", lambda text: re.search(r"nothing has changed since \d\d:\d\d:\d\d \(2 pulls\)", text)
    )

    edit(tmp_path / "acme" / "users.csv", "Aoife Ní Shúilleabháin,true,Employee", "Aoife Ní Shúilleabháin,true,Boss")
    with (tmp_path / "acme" / "members.csv").open("a") as members:
        members.write("g-0004,u-0002,user\n")
    text = terminal.wait("the edit was not shown", lambda text: "to web" in text)
    assert "updated Aoife Ní Shúilleabháin: userType Employee → Boss" in text
    assert "added Stanisław Źrebiec to web" in text
    lines = [line for line in text.splitlines() if re.match(r"\d\d:\d\d:\d\d", line)]
    quiet = [line[10:] for line in lines if "nothing has changed" in line]
    assert sorted(quiet) == ["acme  nothing has changed", "app  nothing has changed"], "quiet runs fill the screen"


def test_ctrl_c_ends_the_daemon(terminal: Terminal) -> None:
    terminal.wait("it did not run", lambda text: "memberships added" in text)
    terminal.type(b"\x03")
    assert terminal.process.wait(PATIENCE) == 0
    assert re.search(r"\d\d:\d\d:\d\d  ended\r\n", terminal.text())


def test_a_fault_that_stays_is_shown_once(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait("it did not run", lambda text: "memberships added" in text)
    (tmp_path / "acme" / "users.csv").unlink()
    text = terminal.wait(
        "it does not stay", lambda text: re.search(r"acme failed since \d\d:\d\d:\d\d \(2 runs\)", text)
    )
    assert text.count("  failed: ") == 1
    assert "→" in text.partition("  failed: ")[2]


def test_the_daemon_ends_when_its_terminal_closes(terminal: Terminal) -> None:
    """Otherwise SIGHUP means a reload, and the daemon would go on where nobody could see or end it."""
    terminal.wait("it did not run", lambda text: "memberships added" in text)
    terminal.hang_up()
    assert terminal.process.wait(PATIENCE) == 0


def test_a_hangup_is_a_reload_while_the_terminal_is_there(terminal: Terminal) -> None:
    terminal.wait("it did not run", lambda text: "memberships added" in text)
    terminal.process.send_signal(signal.SIGHUP)
    terminal.wait("it did not reload", lambda text: "configuration reloaded" in text)
    assert terminal.process.poll() is None
